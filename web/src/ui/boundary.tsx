import { Component, type ReactNode } from 'react';
import { errorOf } from '../state/api.ts';
import { ErrorBox } from './states.tsx';

/** Keeps the rest of the page alive when one view breaks; `view` changes when another one is opened. */
export class Boundary extends Component<
  { readonly view: string; readonly children: ReactNode },
  { readonly thrown?: unknown; readonly view: string }
> {
  override state = { thrown: undefined as unknown, view: this.props.view };

  static getDerivedStateFromError(thrown: unknown) {
    return { thrown };
  }

  static getDerivedStateFromProps(props: { readonly view: string }, state: { readonly view: string }) {
    return props.view === state.view ? null : { view: props.view, thrown: undefined };
  }

  override render() {
    if (this.state.thrown === undefined) return this.props.children;
    return <ErrorBox error={errorOf(this.state.thrown)} onRetry={() => this.setState({ thrown: undefined })} />;
  }
}
