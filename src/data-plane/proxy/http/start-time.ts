let second = -1;
let secondText = '';

/** Envoy's %START_TIME(format)%: strftime letters plus %f, %3f, %6f, %9f and %s; empty is ISO 8601 with milliseconds. */
export function formatTime(epochMs: number, format: string): string {
  if (format === '') {
    const whole = Math.floor(epochMs / 1000);
    if (whole !== second) {
      second = whole;
      secondText = new Date(whole * 1000).toISOString().slice(0, 20);
    }
    const millis = Math.floor(epochMs) % 1000;
    return `${secondText}${millis < 10 ? '00' : millis < 100 ? '0' : ''}${millis}Z`;
  }
  const date = new Date(epochMs);
  const pad = (value: number, width = 2) => String(value).padStart(width, '0');
  return format.replace(/%(\d?)([a-zA-Z%])/g, (whole, digits: string, letter: string) => {
    switch (letter) {
      case 'Y':
        return String(date.getUTCFullYear());
      case 'm':
        return pad(date.getUTCMonth() + 1);
      case 'd':
        return pad(date.getUTCDate());
      case 'H':
        return pad(date.getUTCHours());
      case 'M':
        return pad(date.getUTCMinutes());
      case 'S':
        return pad(date.getUTCSeconds());
      case 'T':
        return date.toISOString().slice(11, 19);
      case 'F':
        return date.toISOString().slice(0, 10);
      case 'f':
        return `${pad(date.getUTCMilliseconds(), 3)}000000`.slice(0, Number(digits || '9'));
      case 's':
        return String(Math.floor(epochMs / 1000));
      case 'z':
        return '+0000';
      case 'Z':
        return 'UTC';
      case '%':
        return '%';
      default:
        return whole;
    }
  });
}

let dateSecond = -1;
let dateText = Buffer.alloc(0);

/** The `date` header's value, made once a second. */
export function httpDate(epochMs: number): Buffer {
  const whole = Math.floor(epochMs / 1000);
  if (whole !== dateSecond) {
    dateSecond = whole;
    dateText = Buffer.from(new Date(whole * 1000).toUTCString(), 'latin1');
  }
  return dateText;
}
