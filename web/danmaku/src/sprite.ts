// How a comment looks. It is measured when it comes, drawn once when it is first
// seen, and from then on only copied to where it flies.

import type { Clean } from './comment.js';
import { readsLeft, split } from './text.js';

export type Outline = 'stroke' | 'shadow' | 'none';

export interface Look {
  readonly family: string;
  readonly px: number; // the normal size of letters
  readonly weight: string;
  readonly outline: Outline;
  readonly ratio: number; // device pixels for one of CSS
}

interface Part {
  readonly kind: 'text' | 'image';
  readonly what: string; // the text or the picture's address
  readonly font: string;
  readonly color: string;
  readonly leftward: boolean;
  readonly x: number;
  readonly width: number;
}

export interface Layout {
  readonly parts: readonly Part[];
  readonly width: number;
  readonly height: number;
  readonly px: number;
  readonly color: string;
  readonly own: boolean;
}

type Canvas2D = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
type Pictures = { get(address: string): CanvasImageSource | null };

export const LINE = 1.5; // a line's height, in sizes of its letters
const PAD = 0.3;
const NICK = 0.7;
const NICK_COLOR = '#c3cbe2';
const STICKER = 3; // the height of a picture after the text
const MAX_PICTURES = 12;

export function layoutOf(measure: Canvas2D, clean: Clean, look: Look): Layout {
  const px = look.px * clean.size;
  const font = fontOf(look, px);
  const parts: Part[] = [];
  let x = px * PAD;
  const add = (part: Omit<Part, 'x'>, space = 0) => {
    parts.push({ ...part, x });
    x += part.width + space;
  };
  const text = (what: string, font: string, color: string): Omit<Part, 'x'> => {
    measure.font = font;
    return { kind: 'text', what, font, color, leftward: readsLeft(what), width: measure.measureText(what).width };
  };
  const image = (what: string, size: number): Omit<Part, 'x'> => ({ kind: 'image', what, font, color: '', leftward: false, width: size });

  if (clean.nick !== '') add(text(clean.nick, fontOf(look, px * NICK), NICK_COLOR), px * 0.4);
  const pieces = split(clean.text, clean.emoji.keys());
  // Pieces of a text that reads to the left follow each other to the left.
  if (readsLeft(clean.text)) pieces.reverse();
  let pictures = 0;
  for (const piece of pieces) {
    const address = clean.emoji.get(piece);
    add(address !== undefined && pictures++ < MAX_PICTURES ? image(address, px * 1.25) : text(piece, font, clean.color));
  }
  if (clean.image !== '') add(image(clean.image, px * STICKER), 0);
  const height = px * (clean.image === '' ? LINE : STICKER + PAD);
  return { parts, width: Math.ceil(x + px * PAD), height: Math.ceil(height), px, color: clean.color, own: clean.own };
}

function fontOf(look: Look, px: number): string {
  return `${look.weight} ${px.toFixed(1)}px ${look.family}`;
}

// draw makes the picture of a comment. Pictures in it that have not come yet are
// left out; it is then drawn again when they have.
export function draw(layout: Layout, look: Look, pictures: Pictures): ImageBitmap {
  const canvas = new OffscreenCanvas(Math.ceil(layout.width * look.ratio), Math.ceil(layout.height * look.ratio));
  const context = canvas.getContext('2d')!;
  context.scale(look.ratio, look.ratio);
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  if (layout.own) frame(context, layout);
  const middle = layout.height / 2;
  for (const part of layout.parts) {
    if (part.kind === 'text') write(context, part, middle, layout.px, look.outline);
    else {
      const picture = pictures.get(part.what);
      if (picture) fit(context, picture, part, middle);
    }
  }
  return canvas.transferToImageBitmap();
}

function frame(context: OffscreenCanvasRenderingContext2D, { width, height, px, color }: Layout): void {
  context.beginPath();
  context.roundRect(1, 1, width - 2, height - 2, px * 0.6);
  context.fillStyle = 'rgb(6 9 22 / 70%)';
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = color;
  context.stroke();
}

function write(context: OffscreenCanvasRenderingContext2D, part: Part, y: number, px: number, outline: Outline): void {
  context.font = part.font;
  context.direction = part.leftward ? 'rtl' : 'ltr';
  context.textAlign = 'left';
  const edge = bright(part.color) ? '#000000' : '#ffffff';
  if (outline === 'stroke') {
    context.globalAlpha = 0.75;
    context.strokeStyle = edge;
    context.lineWidth = Math.max(2, px * 0.14);
    context.strokeText(part.what, part.x, y);
    context.globalAlpha = 1;
  } else if (outline === 'shadow') {
    context.shadowColor = edge;
    context.shadowBlur = px * 0.25;
  }
  context.fillStyle = part.color;
  context.fillText(part.what, part.x, y);
  context.shadowColor = 'transparent';
}

// fit draws a picture as large as its box allows, in its own proportions.
function fit(context: OffscreenCanvasRenderingContext2D, picture: CanvasImageSource, { x, width: box }: Part, y: number): void {
  const { naturalWidth: w = 1, naturalHeight: h = 1 } = picture as HTMLImageElement;
  const scale = box / Math.max(w, h);
  context.drawImage(picture, x + (box - w * scale) / 2, y - (h * scale) / 2, w * scale, h * scale);
}

function bright(color: string): boolean {
  const hex = color.length === 4 ? color.replace(/[0-9a-f]/gi, '$&$&') : color;
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 96;
}
