import type { Cri } from "@trireme/cri";
import { errorFrom, hasCode } from "@trireme/base";
import type { ImageFact } from "../pods/facts.ts";

/** Waits between two pulls of one image, as in kubelet: 10 s doubling to 5 minutes. */
const FIRST_MS = 10_000;
const LAST_MS = 300_000;
/** Pulls of different images at once: more would share one link and finish no sooner. */
const MAX_PULLS = 3;

/** What is told of an image on its way. */
export interface ImageProgress {
  pulling(): void;
  pulled(seconds: number): void;
  present(): void;
}

/** Finds and pulls images; pods that want the same image share one pull. */
export interface ImageStore {
  /** `failures` is how often this pod has failed to get it before: the wait grows with it. */
  ensure(image: string, policy: string, failures: number, progress: ImageProgress): Promise<ImageFact>;
}

/** Images in the container runtime. */
export function createImageStore(cri: Cri, now: () => number): ImageStore {
  const pulls = new Map<string, Promise<string>>();
  const queue: (() => void)[] = [];
  let active = 0;

  async function pull(image: string): Promise<string> {
    if (active >= MAX_PULLS) await new Promise<void>((resolve) => queue.push(resolve));
    active += 1;
    try {
      return await cri.pullImage(image);
    } finally {
      active -= 1;
      queue.shift()?.();
    }
  }
  function pullOnce(image: string): Promise<string> {
    const running = pulls.get(image);
    if (running !== undefined) return running;
    const started = pull(image).finally(() => pulls.delete(image));
    pulls.set(image, started);
    return started;
  }

  return {
    async ensure(image, policy, failures, progress) {
      const failed = (reason: FailedImage["reason"], message: string): ImageFact => {
        const failedAt = now();
        const retryAt = failedAt + Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
        return { state: "failed", reason, message, failures: failures + 1, failedAt, retryAt };
      };
      if (!isImageName(image)) {
        const why = `couldn't parse image name "${image}": write [HOST/]NAME[:TAG] in lower case`;
        return failed("InvalidImageName", `Failed to apply default image tag "${image}": ${why}`);
      }
      try {
        const found = policy === "Always" ? undefined : await cri.imageStatus(image);
        if (found !== undefined) {
          progress.present();
          return { state: "present", ref: found.id };
        }
        if (policy === "Never") {
          const why = `Container image "${image}" is not present with pull policy of Never`;
          return failed("ErrImageNeverPull", `${why}: load it with \`tri image load FILE\``);
        }
        progress.pulling();
        const started = performance.now();
        const ref = await pullOnce(image);
        progress.pulled((performance.now() - started) / 1000);
        return { state: "present", ref };
      } catch (error) {
        const local = await cri.imageStatus(image).catch(() => undefined);
        const { message } = errorFrom(error);
        return failed("ErrImagePull", pullMessage(image, message, hasCode(error, "NotFound"), local !== undefined));
      }
    },
  };
}

type FailedImage = Extract<ImageFact, { state: "failed" }>;

function pullMessage(image: string, cause: string, absent: boolean, local: boolean): string {
  const advice = local
    ? "It is on this node already: set imagePullPolicy to IfNotPresent to use it"
    : absent
      ? "Check the name and the tag, or load the image on every node with `tri image load FILE`"
      : "Check the name and that the registry can be reached, or load the image with `tri image load FILE`";
  return `failed to pull image "${image}": ${cause}. ${advice}.`;
}

const NAME =
  /^(?:[A-Za-z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** Whether the text can name an image at all. */
export function isImageName(image: string): boolean {
  return image.length <= 512 && NAME.test(image);
}
