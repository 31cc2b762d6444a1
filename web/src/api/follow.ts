// A stream that is followed only while the tab is looked at: browsers allow six connections to one server, all tabs together.
import { Stream } from "./stream";

type Options = ConstructorParameters<typeof Stream>[0];

// Follows until the function that it answers is called.
export function followWhileSeen(options: Options): () => void {
  let stream: Stream | undefined;
  const follow = () => {
    if (document.visibilityState === "hidden") {
      stream?.close();
      stream = undefined;
    } else {
      stream ??= new Stream(options);
    }
  };
  follow();
  document.addEventListener("visibilitychange", follow);
  return () => {
    document.removeEventListener("visibilitychange", follow);
    stream?.close();
  };
}
