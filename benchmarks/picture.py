"""The picture of README: a student's page in a browser, with its entities.

    python -m benchmarks.picture --model RUN --out docs/images/page.png

Needs Chromium with chromedriver, and selenium (extra `dev`).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from ner_distill.pipelines.exporting.page import write_page
from ner_distill.views.page import page_of

TEXT = """Angela Merkel met Emmanuel Macron in Paris on Tuesday.
The United Nations said that Finland and Norway sent aid to Beirut.
Manchester United beat Juventus 2-1 in Turin, and Wayne Rooney scored twice."""


def main() -> None:
    """Open the page, let it answer, and keep what it looks like."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--text", default=TEXT)
    given = parser.parse_args()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1180,760"):
        options.add_argument(argument)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        write_page(given.model, page, page_of)
        browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            browser.get(page.as_uri())
            browser.find_element(By.ID, "text").send_keys(given.text)
            browser.find_element(By.CSS_SELECTOR, "#form button[type=submit]").click()
            WebDriverWait(browser, 30).until(lambda one: one.find_elements(By.CSS_SELECTOR, "#results mark"))
            given.out.parent.mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(given.out))
        finally:
            browser.quit()
    print(given.out)


if __name__ == "__main__":
    main()
