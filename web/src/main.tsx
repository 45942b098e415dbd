import './style/tokens.css';
import './style/base.css';
import './style/parts.css';
import './style/pages.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { connect } from './state/live.ts';
import { openSession } from './state/session.ts';

const root = document.getElementById('root');
if (root) {
  void openSession();
  connect();
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
