// Pictures in comments: from addresses that the page allows and nowhere else,
// each loaded once, the least recently used forgotten.

const MAX_KEPT = 200;
const MAX_URL = 2048;

// allowed returns the whole address where one of the page's prefixes covers it,
// else an empty string. Only http and https, so no script and no data; no names
// or passwords; and a prefix counts only up to a whole host and path segment, so
// that //cdn.example does not allow //cdn.example.evil.
export function allowed(address: unknown, prefixes: readonly string[]): string {
  if (typeof address !== 'string' || address === '' || address.length > MAX_URL) return '';
  const url = parse(address);
  if (!url) return '';
  const covers = (prefix: string): boolean => {
    const base = parse(prefix);
    if (!base || base.origin !== url.origin) return false;
    return url.pathname === base.pathname || url.pathname.startsWith(base.pathname.endsWith('/') ? base.pathname : `${base.pathname}/`);
  };
  return prefixes.some(covers) ? url.href : '';
}

function parse(address: string): URL | null {
  try {
    const url = new URL(address, typeof location === 'undefined' ? undefined : location.href);
    const plain = /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
    // An encoded slash or dot could mean another folder to a server than it does here.
    return plain && !/%2f|%5c|%2e/i.test(url.pathname) ? url : null;
  } catch {
    return null;
  }
}

export class Images {
  readonly #kept = new Map<string, HTMLImageElement>();
  readonly #changed: (address: string) => void;

  // changed is told when a picture has come.
  constructor(changed: (address: string) => void) {
    this.#changed = changed;
  }

  // get returns a picture that is there, or null and loads it.
  get(address: string): HTMLImageElement | null {
    let image = this.#kept.get(address);
    if (!image) image = this.#load(address);
    this.#kept.delete(address);
    this.#kept.set(address, image); // now the latest used
    if (this.#kept.size > MAX_KEPT) this.#forget(this.#kept.keys().next().value!);
    return image.complete && image.naturalWidth > 0 ? image : null;
  }

  clear(): void {
    for (const address of this.#kept.keys()) this.#forget(address);
  }

  #load(address: string): HTMLImageElement {
    const image = new Image();
    image.referrerPolicy = 'no-referrer';
    image.decoding = 'async';
    image.onload = () => this.#changed(address);
    image.src = address;
    return image;
  }

  #forget(address: string): void {
    const image = this.#kept.get(address);
    if (image) image.onload = null;
    this.#kept.delete(address);
  }
}
