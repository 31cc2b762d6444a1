// A desktop's MCP servers, by the keyboard alone: what is pressed here is what Tab leads to.

const card = (page, name) => page.getByRole('article', { name, exact: true });
const form = (page) => page.getByRole('dialog');

/** Presses Tab until the focus is there, and can be seen: what it never comes to is out of reach without a mouse. */
async function reach(page, target) {
  await target.waitFor();
  for (let presses = 0; presses < 100; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) {
      await target.evaluate(is_seen);
      return;
    }
    await page.keyboard.press('Tab');
  }
  throw new Error(`no Tab leads to ${target}`);
}

/** Runs in the page: what is covered by something else does not show that it has the focus. */
function is_seen(element) {
  const { x, y, width, height } = element.getBoundingClientRect();
  const on_top = document.elementFromPoint(x + width / 2, y + height / 2);
  if (!on_top || !element.contains(on_top)) {
    throw new Error(`${element.outerHTML.slice(0, 200)} is covered by ${on_top?.outerHTML.slice(0, 200)}`);
  }
}

async function press(page, target) {
  await reach(page, target);
  await page.keyboard.press('Enter');
}

async function write(page, label, text) {
  const field = form(page).getByRole('textbox', { name: label, exact: true });
  await reach(page, field);
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
}

async function choose_way(page, way) {
  const checked = form(page).getByRole('radio', { checked: true });
  await reach(page, checked);
  await page.keyboard.press(way === 'http' ? 'ArrowDown' : 'ArrowUp');
  await form(page).getByRole('radio', { name: way === 'http' ? /address/ : /program/, checked: true }).waitFor();
}

async function fill(page, { fields }) {
  for (const [label, text] of Object.entries(fields)) await write(page, label, text);
}

export async function open({ page, picture }, { name, picture: taken }) {
  await page.getByRole('link', { name: 'MCP servers' }).click();
  await page.getByRole('heading', { name: 'MCP servers', exact: true }).waitFor();
  await page.getByRole('link', { name }).waitFor();
  await page.getByRole('heading', { name: 'No MCP servers yet' }).waitFor();
  await picture(taken);
}

/** Answers what the form says of a field that it does not take, and leaves without a change. */
export async function refuse_an_address({ page, picture }, { fields, picture: taken }) {
  await press(page, page.getByRole('button', { name: 'Add server' }));
  await choose_way(page, 'http');
  await fill(page, { fields });
  await press(page, form(page).getByRole('button', { name: 'Add server' }));
  const wrong = form(page).locator('[aria-invalid="true"]');
  await wrong.waitFor();
  await picture(taken);
  const said = await wrong.evaluate((field) =>
    field.getAttribute('aria-describedby').split(' ').map((id) => document.getElementById(id).textContent).join(' '));
  const whole = await form(page).textContent();
  await page.keyboard.press('Escape');
  await form(page).waitFor({ state: 'detached' });
  return { said, whole };
}

export async function add({ page, picture }, { name, fields, picture: taken }) {
  await press(page, page.getByRole('button', { name: 'Add server' }));
  await fill(page, { fields: { Name: name, ...fields } });
  await picture(taken);
  await press(page, form(page).getByRole('button', { name: 'Add server' }));
  await form(page).waitFor({ state: 'detached' });
  await card(page, name).waitFor();
}

/** Waits until the page tells of the state that the desktop is in since then; answers what the card says. */
export async function becomes({ page, picture }, { name, state, since, picture: taken }) {
  await card(page, name).and(page.locator(`[data-state="${state}"][data-since="${since}"]`)).waitFor();
  await picture(taken);
  return card(page, name).textContent();
}

/** Answers the names of the tools. */
export async function read_the_tools({ page, picture }, { name, picture: taken }) {
  await press(page, card(page, name).getByRole('button', { name: 'Tools', exact: true }));
  const tools = page.getByRole('list', { name: `Tools of ${name}` }).getByRole('listitem');
  await tools.first().waitFor();
  await picture(taken);
  return tools.getByRole('heading').allTextContents();
}

/** Answers what the server answered. */
export async function try_a_tool({ page, picture }, { name, tool, input, picture: taken }) {
  const shown = card(page, name).getByRole('button', { name: `Try ${tool}`, exact: true });
  if ((await shown.getAttribute('aria-expanded')) === 'false') await press(page, shown);
  const field = card(page, name).getByRole('textbox', { name: 'Input (JSON)' });
  await reach(page, field);
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(JSON.stringify(input));
  await press(page, card(page, name).getByRole('button', { name: `Call ${tool}`, exact: true }));
  const answer = card(page, name).getByRole('group', { name: `Answer of ${tool}`, exact: true });
  await answer.waitFor();
  await picture(taken);
  return answer.textContent();
}

export async function follow_the_log({ page, picture }, { name, words, picture: taken }) {
  await press(page, card(page, name).getByRole('button', { name: 'Log', exact: true }));
  const log = page.getByRole('log', { name: `Log of ${name}` });
  await log.getByText(words).first().waitFor();
  await reach(page, log);
  await picture(taken);
}

/** Waits for a line of a log that is open. */
export async function see_in_the_log({ page }, { name, words }) {
  await page.getByRole('log', { name: `Log of ${name}` }).getByText(words).first().waitFor();
}

export async function order({ page, picture }, { name, verb, state, picture: taken }) {
  await press(page, card(page, name).getByRole('button', { name: `${verb} ${name}`, exact: true }));
  await card(page, name).and(page.locator(`[data-state="${state}"]`)).waitFor();
  // The button is gone, and where it was the keyboard goes on.
  await card(page, name).locator(':focus').waitFor();
  await picture(taken);
}

/** Answers what the form holds of a server that is stored. */
export async function open_the_form({ page, picture }, { name, picture: taken }) {
  await press(page, card(page, name).getByRole('button', { name: `Edit ${name}`, exact: true }));
  await form(page).waitFor();
  await picture(taken);
  const fields = form(page).getByRole('textbox');
  const labelled = await fields.evaluateAll((all) => all.map((field) => [field.labels[0].textContent, field.value]));
  return Object.fromEntries(labelled);
}

/** Says in the form that is open whether the server starts with its desktop, which it did not say before. */
export async function start_with_the_desktop({ page }, { yes }) {
  const box = (checked) => form(page).getByRole('checkbox', { name: 'Start with the desktop', checked });
  await reach(page, box(!yes));
  await page.keyboard.press('Space');
  await box(yes).waitFor();
}

/** Saves the form that is open; answers what was refused, if anything was. */
export async function change({ page, picture }, { fields, picture: taken }) {
  const refused = form(page).getByRole('alert');
  await fill(page, { fields });
  // What was refused before goes with the first change.
  if (Object.keys(fields).length > 0) await refused.waitFor({ state: 'detached' });
  await press(page, form(page).getByRole('button', { name: 'Save' }));
  const gone = form(page).waitFor({ state: 'detached' }).then(() => null);
  const told = refused.waitFor().then(() => refused.textContent());
  // Whichever does not come about.
  told.catch(() => undefined);
  gone.catch(() => undefined);
  const said = await Promise.any([gone, told]);
  await picture(taken);
  return said;
}

/** Walks through the form that is open, in low windows, forth and back. */
export async function see_each_focus({ page }) {
  const before = page.viewportSize();
  for (const height of [420, 480, 600]) {
    await page.setViewportSize({ width: before.width, height });
    for (const key of ['Tab', 'Shift+Tab']) {
      for (let presses = 0; presses < 12; presses += 1) {
        await page.keyboard.press(key);
        // Between the last and the first it is nowhere in the page.
        const focus = form(page).locator(':focus');
        if ((await focus.count()) === 1) await focus.evaluate(is_seen);
      }
    }
  }
  await page.setViewportSize(before);
}

/** How it looks on a telephone, a tablet and a desk, by day and by night; answers where it scrolls sideways. */
export async function looks({ page, picture }, { picture: taken }) {
  const before = page.viewportSize();
  const sideways = [];
  for (const width of [360, 768, 1440]) {
    await page.setViewportSize({ width, height: 1000 });
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      // A picture shows no colours that are under way.
      await page.evaluate(() => Promise.allSettled(
        document.getAnimations().filter((moves) => moves instanceof CSSTransition).map((moves) => moves.finished)));
      await picture(`${taken}-${width}-${colorScheme}`);
    }
    const scrolls = await page.evaluate(() =>
      [document.documentElement, document.querySelector('dialog')]
        .some((element) => element && element.scrollWidth > element.clientWidth));
    if (scrolls) sideways.push(width);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
  return sideways;
}

export async function remove({ page, picture }, { name, picture: taken }) {
  await press(page, card(page, name).getByRole('button', { name: `Delete ${name}`, exact: true }));
  const asked = page.getByRole('alertdialog', { name: `Delete ${name}?` });
  await asked.waitFor();
  await picture(taken);
  await press(page, asked.getByRole('button', { name: 'Delete server' }));
  await asked.waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'No MCP servers yet' }).waitFor();
}
