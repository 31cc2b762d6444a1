// A new user's first hour: an account, a desktop, a key, a wish, a reload, a stop and a start.

export async function sign_up({ page, url, picture }, { email, password }) {
  await page.goto(url);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByRole('link', { name: 'Create an account' }).click();
  await page.getByLabel('E-mail address').fill(email);

  // A weak password is told so, at its field.
  const password_field = page.getByLabel('Password', { exact: true });
  await password_field.fill('short');
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.locator('input[aria-invalid="true"]').first().waitFor();

  await password_field.fill(password);
  await picture('1-sign-up');
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('heading', { name: 'Desktops' }).waitFor();
}

/** Answers the id of the new desktop. */
export async function create_a_desktop({ page, picture }, { name }) {
  await page.getByRole('button', { name: 'New desktop' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Create desktop' }).click();
  await page.waitForURL(/\/desktops\/dsk-/);
  await page.getByRole('list', { name: 'Progress' }).first().waitFor();
  await picture('2-being-created');
  return new URL(page.url()).pathname.split('/').pop();
}

/** Waits until the screen is painted; answers what the canvas shows as a PNG in base64. */
export async function see_the_screen({ page, picture }, { name }) {
  const status = page.getByTestId('vnc-status').and(page.locator('[data-status="connected"]'));
  await status.waitFor({ state: 'attached', timeout: 90_000 });
  await page.getByTestId('vnc').locator('canvas').first().waitFor();
  await page.waitForFunction(() => {
    const canvas = document.querySelector('[data-testid="vnc"] canvas');
    if (!canvas || canvas.width < 100) return false;
    const pixels = new Uint32Array(
      canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer,
    );
    return new Set(pixels).size > 16;
  });
  await picture(name);
  return page.evaluate(() =>
    document.querySelector('[data-testid="vnc"] canvas').toDataURL('image/png').split(',')[1]);
}

export async function is_told_that_no_model_is_connected({ page }) {
  await page.getByTestId('no-model').waitFor();
  await page.getByText('No model is connected').first().waitFor();
}

export async function set_the_key({ page, picture }, { key, wrong }) {
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('heading', { name: 'Settings', exact: true }).waitFor();

  const field = page.getByLabel('Anthropic API key');
  const checked = (accepted) => page.locator(`[data-testid="key-check"][data-accepted="${accepted}"]`);
  await field.fill(wrong);
  await page.getByRole('button', { name: 'Save key' }).click();
  await page.getByTestId('key-masked').waitFor();
  await page.getByRole('button', { name: 'Check key' }).click();
  await checked('false').waitFor();

  await field.fill(key);
  await page.getByRole('button', { name: 'Save key' }).click();
  await page.getByTestId('key-masked').filter({ hasText: key.slice(-4) }).waitFor();
  await page.getByRole('button', { name: 'Check key' }).click();
  await checked('true').waitFor();
  await picture('4-settings');
  if ((await page.content()).includes(key)) throw new Error('the key stands in the page');
}

export async function go_back_to_the_desktop({ page }, { name }) {
  await page.getByRole('link', { name: 'Desktops' }).click();
  const card = page.getByRole('article', { name });
  await card.waitFor();
  await card.getByRole('link', { name: `Open ${name}` }).click();
  await page.getByTestId('vnc').locator('canvas').first().waitFor();
  await page.getByTestId('no-model').waitFor({ state: 'detached' });
}

export async function ask({ page }, { text }) {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('[data-testid="message"][data-from="you"]').filter({ hasText: text }).waitFor();
}

/** Waits for the agent's last words; answers the whole conversation. */
export async function read_the_answer({ page, picture }, { words, name }) {
  const message = page.locator('[data-testid="message"][data-from="agent"]').filter({ hasText: words });
  await message.first().waitFor({ timeout: 120_000 });
  await page.locator('[data-testid="session-state"][data-state="idle"]').waitFor({ state: 'attached' });
  await picture(name);
  return conversation(page);
}

export async function reload({ page }, { words }) {
  await page.reload();
  await page.locator('[data-testid="message"][data-from="agent"]').filter({ hasText: words }).first().waitFor();
  await page.locator('[data-testid="vnc-status"][data-status="connected"]').waitFor({ state: 'attached' });
  // The pictures of the cards come after their cards.
  await page.waitForFunction(() => {
    const pictures = [...document.querySelectorAll('[data-testid="tool-picture"]')];
    return pictures.length > 0;
  });
  return conversation(page);
}

export async function stop_and_start({ page, picture }) {
  const state = (wanted) => page.locator(`[data-testid="desktop-state"][data-state="${wanted}"]`);
  await page.getByRole('button', { name: 'Stop desktop' }).click();
  await state('stopped').first().waitFor({ state: 'attached', timeout: 90_000 });
  await picture('7-stopped');
  await page.getByRole('button', { name: 'Start desktop' }).first().click();
  await state('ready').first().waitFor({ state: 'attached', timeout: 90_000 });
}

/** What a step leaves the page complaining about: nothing, when all is well. */
export async function complaints({ complaints }) {
  return complaints();
}

function conversation(page) {
  return page.evaluate(() => ({
    messages: [...document.querySelectorAll('[data-testid="message"]')].map((message) => ({
      from: message.dataset.from,
      text: message.textContent,
      streaming: message.dataset.streaming === 'true',
    })),
    cards: [...document.querySelectorAll('[data-testid="tool-card"]')].map((card) => ({
      tool: card.dataset.tool,
      status: card.dataset.status,
      picture: card.querySelector('[data-testid="tool-picture"]') !== null,
      mark: card.querySelector('[data-testid="tool-mark"]') !== null,
    })),
    said: document.querySelector('[role="log"]')?.textContent ?? '',
  }));
}
