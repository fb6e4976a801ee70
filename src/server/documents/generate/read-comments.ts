import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** The comments of a type and its members. */
interface TypeComments {
  readonly text: string | undefined;
  readonly members: ReadonlyMap<string, MemberComments>;
  /** Names of the types that it extends. */
  readonly bases: readonly string[];
}
/** A member of a type. */
interface MemberComments {
  readonly text: string | undefined;
  /** Names of the types of its payload: of `req` for a request, of the member itself otherwise. */
  readonly types: readonly string[];
}

/** Describes a route or event that has no comment. A test finds it. */
export const UNDOCUMENTED = 'Not documented.';

/** The folder of the wire's types and schemas. */
const PROTOCOL = fileURLToPath(new URL('../../../protocol/', import.meta.url));

/**
 * The comments of `src/protocol`. The types there are documented where they are declared, so the generated documents take
 * their descriptions from them.
 */
export class ProtocolComments {
  readonly #types = new Map<string, TypeComments>();
  readonly #schemas = new Map<string, { text: string | undefined; types: readonly string[] }>();
  readonly #routes = new Map<string, string>();

  constructor() {
    for (const name of readdirSync(PROTOCOL).filter((each) => each.endsWith('.ts'))) {
      const text = readFileSync(path.join(PROTOCOL, name), 'utf8');
      this.#read(ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true));
    }
  }

  /** Returns the types that a schema validates, by the name of its constant. */
  typesOf(schema: string): readonly string[] {
    return this.#schemas.get(schema)?.types ?? [];
  }

  /** Returns the description of what a schema validates, by the name of its constant. */
  schema(name: string): string | undefined {
    const { text, types = [] } = this.#schemas.get(name) ?? {};
    const own = text?.startsWith('Validates `') === true ? undefined : text?.replace(/^Validates (.)/, upperCased);
    return this.#types.get(types[0] ?? '')?.text ?? own;
  }

  /** Returns the description of a property. @param types - types to search, with those that they extend */
  property(types: readonly string[], name: string): string | undefined {
    for (const type of types) {
      const { members, bases = [] } = this.#types.get(type) ?? {};
      const text = members?.get(name)?.text ?? this.property(bases, name);
      if (text !== undefined) return text;
    }
    return undefined;
  }

  /** Returns the description of a request or push: its own comment, or that of its payload. */
  event(list: 'Requests' | 'Pushes', name: string): string | undefined {
    const event = this.#types.get(list)?.members.get(name);
    return event?.text ?? this.#types.get(event?.types[0] ?? '')?.text;
  }

  /** Returns the description of a REST route. */
  route(name: string): string | undefined {
    return this.#routes.get(name);
  }

  #read(file: ts.SourceFile): void {
    for (const statement of file.statements) {
      if (ts.isInterfaceDeclaration(statement)) {
        const bases = (statement.heritageClauses ?? []).flatMap(({ types }) => types.flatMap((type) => namesIn(type)));
        this.#addType(statement, statement.members, bases);
      } else if (ts.isTypeAliasDeclaration(statement)) {
        const members = ts.isTypeLiteralNode(statement.type) ? statement.type.members : [];
        this.#addType(statement, members, namesIn(statement.type));
      } else if (ts.isVariableStatement(statement)) {
        for (const declaration of statement.declarationList.declarations) this.#addConstant(statement, declaration);
      }
    }
  }

  #addType(
    node: ts.InterfaceDeclaration | ts.TypeAliasDeclaration,
    elements: readonly ts.TypeElement[],
    bases: readonly string[],
  ): void {
    const members = new Map<string, MemberComments>();
    for (const element of elements) {
      if (!ts.isPropertySignature(element)) continue;
      members.set(nameOf(element.name), { text: commentOf(element), types: payloadTypes(element.type) });
    }
    this.#types.set(node.name.text, { text: commentOf(node), members, bases });
  }

  #addConstant(statement: ts.VariableStatement, { name, type, initializer }: ts.VariableDeclaration): void {
    if (!ts.isIdentifier(name)) return;
    if (name.text === 'REST_ROUTES') return this.#addRoutes(initializer);
    const validated = initializer !== undefined && ts.isSatisfiesExpression(initializer) ? initializer.type : type;
    this.#schemas.set(name.text, { text: commentOf(statement), types: validatedTypes(validated) });
  }

  #addRoutes(initializer: ts.Expression | undefined): void {
    const routes = initializer !== undefined && ts.isAsExpression(initializer) ? initializer.expression : initializer;
    if (routes === undefined || !ts.isObjectLiteralExpression(routes)) throw new Error('REST_ROUTES is not an object');
    for (const route of routes.properties) {
      const text = commentOf(route);
      if (text !== undefined && route.name !== undefined) this.#routes.set(nameOf(route.name), text);
    }
  }
}

/** Returns `T` of `v.GenericSchema<unknown, T>`. */
function validatedTypes(type: ts.TypeNode | undefined): readonly string[] {
  if (type === undefined || !ts.isTypeReferenceNode(type)) return [];
  return namesIn(type.typeArguments?.at(-1));
}

function payloadTypes(type: ts.TypeNode | undefined): readonly string[] {
  if (type === undefined || !ts.isTypeLiteralNode(type)) return namesIn(type);
  const request = type.members.find((member) => ts.isPropertySignature(member) && nameOf(member.name) === 'req');
  return request !== undefined && ts.isPropertySignature(request) ? namesIn(request.type) : [];
}

/** Returns the names of the types in a type: one, or those of an intersection or union. */
function namesIn(type: ts.TypeNode | undefined): readonly string[] {
  if (type === undefined) return [];
  if (ts.isIntersectionTypeNode(type) || ts.isUnionTypeNode(type)) return type.types.flatMap((each) => namesIn(each));
  if (ts.isExpressionWithTypeArguments(type)) return ts.isIdentifier(type.expression) ? [type.expression.text] : [];
  if (!ts.isTypeReferenceNode(type)) return [];
  return [ts.isIdentifier(type.typeName) ? type.typeName.text : type.typeName.right.text];
}

function nameOf(name: ts.PropertyName): string {
  return ts.isIdentifier(name) || ts.isStringLiteral(name) ? name.text : name.getText();
}

/** Returns the text of a comment in Markdown, without tags. */
function commentOf(node: ts.Node): string | undefined {
  const comment = ts.getJSDocCommentsAndTags(node).findLast((each) => ts.isJSDoc(each))?.comment;
  const text = ts
    .getTextOfJSDocComment(comment)
    ?.replaceAll(/\{@link\s+([^}\s]+)\s*\}/g, '`$1`')
    .replaceAll(/\n(?!\s*[-\n])/g, ' ')
    .trim();
  return text === '' ? undefined : text;
}

function upperCased(_: string, first: string): string {
  return first.toUpperCase();
}
