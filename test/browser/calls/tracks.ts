const streams: MediaStream[] = [];

/** Opens the fake camera of the browser. */
export async function camera(): Promise<MediaStreamTrack> {
  return only(await navigator.mediaDevices.getUserMedia({ video: true }));
}

/** Opens the fake microphone of the browser. */
export async function microphone(): Promise<MediaStreamTrack> {
  return only(await navigator.mediaDevices.getUserMedia({ audio: true }));
}

/** Creates a video track of a canvas whose content changes, in place of a shared screen. */
export function canvasTrack(): MediaStreamTrack {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  const stream = canvas.captureStream(20);
  const track = only(stream);
  let frame = 0;
  const timer = setInterval(() => {
    frame += 1;
    if (track.readyState === 'ended') clearInterval(timer);
    context?.fillRect((frame * 7) % 100, (frame * 13) % 100, 10, 10);
  }, 30);
  return track;
}

/** Stops all tracks that were opened here. */
export function stopTracks(): void {
  for (const stream of streams.splice(0)) for (const track of stream.getTracks()) track.stop();
}

function only(stream: MediaStream): MediaStreamTrack {
  streams.push(stream);
  const [track] = stream.getTracks();
  if (track === undefined) throw new Error('No track');
  return track;
}
