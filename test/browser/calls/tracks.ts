const streams: MediaStream[] = [];

/** Real tracks of fake devices. */
export async function camera(): Promise<MediaStreamTrack> {
  return only(await navigator.mediaDevices.getUserMedia({ video: true }));
}

export async function microphone(): Promise<MediaStreamTrack> {
  return only(await navigator.mediaDevices.getUserMedia({ audio: true }));
}

/** What is shared of a screen looks like this to whoever gets it. */
export function painted(): MediaStreamTrack {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  const stream = canvas.captureStream(20);
  const track = only(stream);
  const timer = setInterval(() => {
    if (track.readyState === 'ended') clearInterval(timer);
    context?.fillRect(Math.random() * 100, Math.random() * 100, 10, 10);
  }, 30);
  return track;
}

export function stopTracks(): void {
  for (const stream of streams.splice(0)) for (const track of stream.getTracks()) track.stop();
}

function only(stream: MediaStream): MediaStreamTrack {
  streams.push(stream);
  const [track] = stream.getTracks();
  if (track === undefined) throw new Error('No track');
  return track;
}
