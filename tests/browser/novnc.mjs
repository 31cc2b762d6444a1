// noVNC by itself, as the package comes: a page that the test serves, and a person at it.

export async function connect({ page, url }, { width, height }) {
  await page.setViewportSize({ width, height });
  await page.goto(url);
  await page.waitForFunction(() => window.RFB !== undefined);
  await page.evaluate(async () => {
    const screen = `ws://${location.host}/screen`;
    const rfb = new window.RFB(document.body, screen, { shared: true, wsProtocols: ['binary'] });
    window.rfb = rfb;
    window.copied = [];
    rfb.addEventListener('clipboard', (event) => window.copied.push(event.detail.text));
    await new Promise((resolve, reject) => {
      rfb.addEventListener('connect', resolve);
      rfb.addEventListener('disconnect', () => reject(new Error('noVNC was disconnected')));
    });
    rfb.focus();
  });
}

/** What is on the canvas, as base64 of a PNG. */
export function picture({ page }) {
  return page.evaluate(() => window.rfb.toDataURL('image/png').split(',')[1]);
}

/** Each key as a browser tells of it: what it means and where it lies. */
export function press({ page }, { keys }) {
  return page.evaluate((all) => {
    for (const [key, code] of all) {
      for (const kind of ['keydown', 'keyup']) {
        document.querySelector('canvas').dispatchEvent(new KeyboardEvent(kind, { key, code, bubbles: true }));
      }
    }
  }, keys);
}

export function type({ page }, { text }) {
  return page.keyboard.type(text);
}

export function point({ page }, { x, y }) {
  return page.mouse.move(x, y);
}

export async function click({ page }) {
  for (const button of ['left', 'middle', 'right']) {
    await page.mouse.down({ button });
    await page.mouse.up({ button });
  }
}

export function wheel({ page }, { x, y }) {
  return page.mouse.wheel(x, y);
}

export async function resize({ page }, { width, height }) {
  await page.evaluate(() => (window.rfb.resizeSession = true));
  await page.setViewportSize({ width, height });
}

export function copy({ page }, { text }) {
  return page.evaluate((copied) => window.rfb.clipboardPasteFrom(copied), text);
}

/** The texts that came from the desktop. */
export function copied({ page }) {
  return page.evaluate(() => window.copied);
}
