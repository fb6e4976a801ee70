/** Functions that SQLite has and Postgres doesn't; `toPostgres` calls them. */
export const BASE_FUNCTIONS = `
CREATE FUNCTION comm_now() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI:SS')
$$;
CREATE FUNCTION comm_json_each(list text) RETURNS TABLE (key bigint, value text) LANGUAGE sql IMMUTABLE ROWS 20 AS $$
  SELECT ordinality - 1, element FROM json_array_elements_text(list::json) WITH ORDINALITY AS each (element, ordinality)
$$;
CREATE FUNCTION comm_json_array(one text, other text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT '[' || to_json(one) || ',' || to_json(other) || ']'
$$;
CREATE FUNCTION comm_json_valid(candidate text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN candidate::json IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END
$$;
CREATE FUNCTION comm_hour(at text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT substr(replace(at, ' ', 'T'), 1, 13)
$$;
`;
