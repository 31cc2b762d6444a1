// What a person waits for, measured in the page itself.

export async function sign_in({ page, url }, { email, password }) {
  await page.goto(`${url}/sign-in`);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Desktops' }).waitFor();
}

/** From the click on "Create desktop" to the first animation frame with a painted canvas. */
export async function create_and_see({ page, url }, { name }) {
  await page.goto(`${url}/desktops`);
  await page.getByRole('button', { name: 'New desktop' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill(name);
  await page.evaluate(() => {
    const painted = () => {
      const canvas = document.querySelector('[data-testid="vnc"] canvas');
      if (!canvas || canvas.width < 100) return false;
      // A few lines are enough, and reading them does not slow the page down.
      for (const row of [0.25, 0.5, 0.75, 0.97]) {
        const line = canvas.getContext('2d').getImageData(0, canvas.height * row, canvas.width, 1).data;
        if (line.some((value, index) => index % 4 !== 3 && value !== 0)) return true;
      }
      return false;
    };
    window.firstPaint = new Promise((resolve) => {
      document.addEventListener('click', () => {
        const begun = performance.now();
        const look = () => (painted() ? resolve(performance.now() - begun) : requestAnimationFrame(look));
        look();
      }, { once: true, capture: true });
    });
  });
  await dialog.getByRole('button', { name: 'Create desktop' }).click();
  const ms = await page.evaluate(() => window.firstPaint);
  return { ms, id: new URL(page.url()).pathname.split('/').pop() };
}
