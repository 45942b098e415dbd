/** The theme's colours as the graph draws with them, each as CSS text. */
export interface Palette {
  readonly text: string;
  readonly muted: string;
  readonly surface: string;
  readonly sunken: string;
  readonly background: string;
  readonly line: string;
  readonly faint: string;
  readonly accent: string;
  readonly ok: string;
  readonly warn: string;
  readonly bad: string;
}
