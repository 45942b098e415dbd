import type { Palette } from './palette.ts';
import { Flow, type Stream } from './particles.ts';

/** Where the drawing lies under the overlay. */
export interface Lens {
  readonly zoom: number;
  readonly pan: { readonly x: number; readonly y: number };
}

export interface Overlay {
  setColours(colours: Palette): void;
  start(): void;
  stop(): void;
  destroy(): void;
}

const everyMs = 80;

/**
 * Dots that run along the edges, on a canvas of its own above the drawing, which so need not be painted again. Twelve
 * times a second; not at all while the page is hidden or nothing flows. Failed requests are red diamonds.
 */
export function createOverlay(frame: HTMLElement, streams: () => readonly Stream[], lens: () => Lens): Overlay {
  const canvas = document.createElement('canvas');
  canvas.className = 'graph-particles';
  canvas.setAttribute('aria-hidden', 'true');
  frame.append(canvas);
  const context = canvas.getContext('2d');
  const flow = new Flow();
  let colours: Palette | undefined;
  let timer = 0;
  let lastAt = 0;
  let clean = true;

  const paint = () => {
    if (!context || !colours || document.hidden) return;
    const now = performance.now();
    // After a pause dots go on from where they were.
    const seconds = Math.min(0.2, (now - lastAt) / 1000);
    lastAt = now;
    const dots = flow.step(streams(), seconds);
    if (!dots.length && clean) return;
    const { clientWidth: width, clientHeight: height } = frame;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.clearRect(0, 0, width, height);
    const { zoom, pan } = lens();
    const size = Math.max(1.5, Math.min(4, 3.5 * zoom));
    for (const dot of dots) {
      const [x, y] = [dot.x * zoom + pan.x, dot.y * zoom + pan.y];
      if (x < -8 || y < -8 || x > width + 8 || y > height + 8) continue;
      context.beginPath();
      if (dot.failed) {
        const half = size * 1.7;
        context.moveTo(x, y - half);
        context.lineTo(x + half, y);
        context.lineTo(x, y + half);
        context.lineTo(x - half, y);
        context.closePath();
      } else context.arc(x, y, size, 0, 2 * Math.PI);
      context.fillStyle = dot.failed ? colours.bad : colours.ok;
      context.fill();
      context.lineWidth = 1;
      context.strokeStyle = colours.surface;
      context.stroke();
    }
    clean = !dots.length;
    canvas.dataset.dots = String(dots.length);
  };
  return {
    setColours(next) {
      colours = next;
    },
    start() {
      if (timer) return;
      lastAt = performance.now();
      timer = window.setInterval(paint, everyMs);
    },
    stop() {
      window.clearInterval(timer);
      timer = 0;
      context?.clearRect(0, 0, canvas.width, canvas.height);
      delete canvas.dataset.dots;
    },
    destroy() {
      window.clearInterval(timer);
      canvas.remove();
    },
  };
}
