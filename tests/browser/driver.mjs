// Chromium for one test: reads steps as JSON lines from stdin, answers each with one line, and ends with its input.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [url, profile, pictures] = process.argv.slice(2);
const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

let context;
try {
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CLOUDBOT_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    viewport: { width: 1440, height: 900 },
    args: [
      '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
} catch (error) {
  answer({ error: `Chromium does not start (apt-get install chromium): ${error.message}` });
  process.exit(1);
}

const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(30_000);
const said = [];
page.on('console', (message) => message.type() === 'error' && said.push(message.text()));
page.on('pageerror', (error) => said.push(error.stack ?? error.message));
answer({ value: 'ready' });

const world = {
  url,
  page,
  context,
  /** What the page complained about since it was last asked. */
  complaints: () => said.splice(0),
  picture: (name) => page.screenshot({ path: `${pictures}/${name}.png` }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { journey, step, with: args } = JSON.parse(line);
  try {
    const steps = await import(`./${journey}.mjs`);
    answer({ value: (await steps[step](world, args)) ?? null });
  } catch (error) {
    await page.screenshot({ path: `${pictures}/failure.png` }).catch(() => {});
    const words = said.length > 0 ? `\nthe page said: ${said.join('\n')}` : '';
    answer({ error: `${error.stack ?? error}\nat ${page.url()}${words}` });
  }
}
await context.close();
process.exit(0);
