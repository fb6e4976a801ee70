import { describe, expect, test } from 'vitest';
import { videoEncoding } from '../../../../../src/client/calls/webrtc/video-encoding.ts';
import { fc } from '../../../../helpers/property.ts';

const limits = { maxBitrateKbps: 2_500, isSharing: false, sourceHeight: 720 };

describe('the camera', () => {
  test.each([
    // receivers, height of the source, kbit/s to each, height that is sent
    [1, 720, 2_500, 720],
    [1, 1_080, 2_500, 1_080],
    [2, 1_080, 1_250, 1_080],
    [3, 720, 833, 720],
    [3, 480, 833, 480],
    [4, 720, 625, 480],
    [7, 720, 357, 360],
  ])('for %i receivers of %i pixels: %i kbit/s each, %i pixels', (receivers, sourceHeight, kbps, height) => {
    const encoding = videoEncoding('camera', { ...limits, receivers, sourceHeight });
    expect(Math.round(encoding.maxBitrate / 1_000)).toBe(kbps);
    expect(Math.round(sourceHeight / encoding.scaleResolutionDownBy)).toBe(height);
  });

  test('gets a quarter of the budget while a screen is shared', () => {
    const encoding = videoEncoding('camera', { ...limits, receivers: 1, isSharing: true });
    expect(encoding).toEqual({ maxBitrate: 625_000, scaleResolutionDownBy: 1.5, degradationPreference: 'balanced' });
  });

  test('is not sent higher than the option says', () => {
    const { scaleResolutionDownBy } = videoEncoding('camera', { ...limits, receivers: 1, maxHeight: 360 });
    expect(scaleResolutionDownBy).toBe(2);
  });

  test('keeps its resolution if the browser does not tell it', () => {
    const encoding = videoEncoding('camera', { ...limits, receivers: 3, sourceHeight: undefined });
    expect(encoding.scaleResolutionDownBy).toBe(1);
  });
});

test('a screen keeps its resolution and gets most of the budget', () => {
  const encoding = videoEncoding('screen', { ...limits, receivers: 3, isSharing: true, sourceHeight: 2_160 });
  expect(encoding).toEqual({
    maxBitrate: 625_000,
    scaleResolutionDownBy: 1,
    degradationPreference: 'maintain-resolution',
  });
});

test('camera and screen to all receivers stay within the budget, unless it is below the minimum', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1_500, max: 20_000 }),
      fc.integer({ min: 1, max: 3 }),
      (maxBitrateKbps, receivers) => {
        const each = { maxBitrateKbps, receivers, isSharing: true, sourceHeight: 1_080 };
        const sum = videoEncoding('camera', each).maxBitrate + videoEncoding('screen', each).maxBitrate;
        expect(sum * receivers).toBeLessThanOrEqual(maxBitrateKbps * 1_000 + receivers);
      },
    ),
  );
});
