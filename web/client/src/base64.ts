// Bytes as base64 (RFC 4648, with padding): mini programs have neither btoa nor atob.

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function encode(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const n = (a << 16) | (b << 8) | c;
    for (let j = 0; j < 4; j++) text += i + j > bytes.length ? '=' : digits[(n >> (18 - 6 * j)) & 63];
  }
  return text;
}

export function decode(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.replace(/=+$/, '').length * 3) / 4));
  let bits = 0;
  for (let i = 0, n = 0, at = 0; at < bytes.length; i++) {
    bits = (bits << 6) | digits.indexOf(text.charAt(i));
    n += 6;
    if (n >= 8) bytes[at++] = bits >> (n -= 8);
  }
  return bytes;
}
