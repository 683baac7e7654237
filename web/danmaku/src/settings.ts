// What a visitor chooses, and how it is kept: in the page's storage, where it may
// have been edited by hand, or be full, or forbidden.

// What happens to a comment for which there is no room: it is not shown, or is
// put closer behind another than is pretty, or over others.
export type Overflow = 'drop' | 'shrink' | 'overlay';

export interface Settings {
  opacity: number; // 0.1 to 1
  density: number; // 0.05 to 1: the share of the most comments that are shown at once
  area: number; // 0.25, 0.5 or 1: the share of the stage, from above, that they use
  fontSize: number; // 0.5 to 3, times the stage's own
  speed: number; // 0.25 to 4
  overflow: Overflow;
}

export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export const DEFAULTS: Readonly<Settings> = { opacity: 1, density: 1, area: 1, fontSize: 1, speed: 1, overflow: 'shrink' };

const RANGES = { opacity: [0.1, 1], density: [0.05, 1], area: [0.25, 1], fontSize: [0.5, 3], speed: [0.25, 4] } as const;
const OVERFLOWS: readonly unknown[] = ['drop', 'shrink', 'overlay'];

// validSettings takes what is valid in the given, and the rest from before.
export function validSettings(given: unknown, before: Readonly<Settings>): Settings {
  const wanted: Record<string, unknown> = Object(given);
  const settings = { ...before };
  for (const [name, [low, high]] of Object.entries(RANGES) as [keyof typeof RANGES, readonly [number, number]][]) {
    const value = wanted[name];
    if (typeof value === 'number' && Number.isFinite(value)) settings[name] = Math.min(high, Math.max(low, value));
  }
  if (OVERFLOWS.includes(wanted.overflow)) settings.overflow = wanted.overflow as Overflow;
  return settings;
}

export function loadSettings(store: Store | undefined, key: string): unknown {
  try {
    return JSON.parse(store?.getItem(key) ?? '{}');
  } catch {
    return {};
  }
}

export function saveSettings(store: Store | undefined, key: string, settings: Settings): void {
  try {
    store?.setItem(key, JSON.stringify(settings));
  } catch {
    // Not kept, then: all works as well.
  }
}
