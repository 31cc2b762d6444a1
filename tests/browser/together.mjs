// A person and the agent on one desktop: taking control, handing it back, saying yes, playing it back.

const driver = (page, who) =>
  page.locator(`[data-testid="driver"][data-driver="${who}"]`).first().waitFor({ state: 'attached' });

export async function take_control({ page, picture }, { name }) {
  await driver(page, 'agent');
  await page.getByRole('button', { name: 'Take control', exact: true }).click();
  await driver(page, 'you');
  await page.locator('[data-testid="session-state"][data-state="paused"]').waitFor({ state: 'attached' });
  await page.locator('[data-view-only="false"]').first().waitFor({ state: 'attached' });
  await picture(name);
}

/** Types into the desktop as a person does, through the page. */
export async function type_into_the_screen({ page }, { text }) {
  await page.getByTestId('vnc').locator('canvas').first().click({ position: { x: 30, y: 30 } });
  await page.keyboard.type(text, { delay: 5 });
}

/** Answers whether the dialog showed a picture. */
export async function hand_back({ page, picture }, { note, name }) {
  await page.getByRole('button', { name: 'Hand back', exact: true }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Hand control back' });
  const seen = dialog.getByTestId('hand-back-picture').locator('img').or(dialog.locator('img[data-testid="hand-back-picture"]'));
  await seen.first().waitFor();
  await dialog.getByRole('textbox', { name: 'Note to the agent' }).fill(note);
  await picture(name);
  await dialog.getByRole('button', { name: 'Hand back', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByTestId('handed-back').filter({ hasText: note }).waitFor();
}

export async function ask_before_risky_actions({ page, picture }, { name }) {
  await page.getByRole('button', { name: 'Session menu' }).click();
  await page.getByRole('menuitem', { name: 'Session settings' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: /Before risky actions/ }).check();
  await picture(name);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
}

/** Answers the input as it is shown. */
export async function approve({ page, picture }, { name }) {
  const card = page.locator('[data-testid="approval-card"][data-outcome="waiting"]');
  await card.waitFor();
  const shown = await card.getByTestId('approval-shown').textContent();
  await picture(name);
  await card.getByRole('button', { name: 'Approve' }).click();
  await page.locator('[data-testid="approval-card"][data-outcome="approved"]').waitFor();
  return shown;
}

/** Walks through all steps by key; answers the actions. */
export async function play_back({ page, picture }, { name }) {
  await page.getByRole('button', { name: 'Session menu' }).click();
  await page.getByRole('menuitem', { name: 'Replay' }).click();
  const position = page.getByTestId('replay-position');
  await position.waitFor();
  const count = Number((await position.textContent()).split('/')[1]);
  const actions = [];
  for (let step = 1; step <= count; step += 1) {
    await position.filter({ hasText: `${step} / ${count}` }).waitFor();
    // At the end stands what was said, which is no action.
    if (step < count) actions.push(await page.getByTestId('replay-action').textContent());
    if (step === 1) await picture(name);
    await page.keyboard.press('ArrowRight');
  }
  return actions;
}
