/**
 * Paths of keys that stand twice in one object of a JSON text (`spec.http[0].name`). The text must be valid JSON.
 * O(length); does not recurse, so deep nesting cannot exhaust the stack.
 */
export function duplicateKeys(json: string): string[] {
  const found: string[] = [];
  const frames: { keys: Set<string> | undefined; path: string; index: number; key: string }[] = [];
  let expectKey = false;
  for (let at = 0; at < json.length; at += 1) {
    const char = json[at];
    const frame = frames.at(-1);
    if (char === '"') {
      const end = endOfText(json, at);
      if (expectKey && frame?.keys) {
        frame.key = String(JSON.parse(json.slice(at, end)));
        const path = frame.path === '' ? frame.key : `${frame.path}.${frame.key}`;
        if (frame.keys.has(frame.key)) found.push(path);
        frame.keys.add(frame.key);
        expectKey = false;
      }
      at = end - 1;
    } else if (char === '{' || char === '[') {
      const path =
        frame === undefined
          ? ''
          : frame.keys
            ? frame.path === ''
              ? frame.key
              : `${frame.path}.${frame.key}`
            : `${frame.path}[${frame.index}]`;
      frames.push({ keys: char === '{' ? new Set() : undefined, path, index: 0, key: '' });
      expectKey = char === '{';
    } else if (char === '}' || char === ']') {
      frames.pop();
      expectKey = false;
    } else if (char === ',' && frame) {
      if (frame.keys) expectKey = true;
      else frame.index += 1;
    }
  }
  return found;
}

function endOfText(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}
