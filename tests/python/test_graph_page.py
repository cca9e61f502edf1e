"""The page of `torchship graph --html`, in a headless Chromium."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from support import cli_ok, legacy
from torch import Tensor, nn

selenium = pytest.importorskip("selenium")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium is not installed")

ATTACK = "</script><script>globalThis.hacked = 1</script><img src=x onerror='globalThis.hacked=1'>"


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(x + self.layers(x)))


class Branch(nn.Module):
    def forward(self, x: Tensor, rounds: int) -> Tensor:
        for _ in range(rounds):
            if bool(x.sum() > 0):
                x = torch.sin(x)
            else:
                x = torch.cos(x) * 2
        return x


class Long(nn.Module):
    """One module of 5,000 operators."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2500):
            x = torch.sin(x) + x
        return x


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("graphs")
    x = torch.ones(2, 8)
    models = {
        "residual": legacy(torch.jit.trace, Residual().eval(), x),
        "branch": legacy(torch.jit.script, Branch().eval()),
        "long": legacy(torch.jit.trace, Long(), x, check_trace=False),
    }
    for name, model in models.items():
        legacy(torch.jit.save, model, str(folder / f"{name}.pt"))
    shutil.copy(folder / "residual.pt", folder / "<img src=x onerror=hacked=1>.pt")
    return {path.stem: path for path in folder.glob("*.pt")}


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                     "--window-size=1400,900", "--disable-background-networking"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Page:
    """A page that is open."""

    def __init__(self, browser, path: Path) -> None:
        self.browser = browser
        self.js = browser.execute_script
        for kind in ("browser", "performance"):
            browser.get_log(kind)  # What came before.
        browser.get(path.as_uri())

    def count(self, selector: str) -> int:
        return self.js("return document.querySelectorAll(arguments[0]).length", selector)

    def text(self, selector: str) -> str:
        return self.js("return document.querySelector(arguments[0]).textContent", selector)

    def transform(self) -> str:
        return self.js("return document.querySelector('#view').getAttribute('transform')")

    def click(self, selector: str) -> None:
        self.browser.find_element("css selector", selector).click()

    def keys(self, selector: str, *keys: str) -> None:
        self.browser.find_element("css selector", selector).send_keys(*keys)

    def item(self, title: str):
        """The first box with that title."""
        return self.js(
            "return [...document.querySelectorAll('.item')].find((item) =>"
            " item.querySelector('text.title')?.textContent === arguments[0])", title)

    def errors(self) -> list[dict]:
        return self.browser.get_log("browser")

    def requests(self) -> list[str]:
        events = [json.loads(entry["message"])["message"]
                  for entry in self.browser.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events
                if event["method"] == "Network.requestWillBeSent"]


@pytest.fixture
def open_page(browser, tmp_path):
    """Write a page with these arguments, open it, and check at the end that all was quiet."""
    pages = []

    def open_it(archive: Path, *arguments: str) -> Page:
        path = tmp_path / "page.html"
        assert cli_ok("graph", archive, "--html", path, *arguments) == ""
        pages.append(Page(browser, path))
        return pages[-1]

    yield open_it
    for page in pages:
        assert page.errors() == []
        urls = page.requests()
        assert urls and all(url.startswith(("file:", "data:")) for url in urls), urls


def graph_of(archive: Path, *arguments: str) -> dict:
    return json.loads(cli_ok("graph", archive, "--json", *arguments))


@pytest.mark.parametrize("stage", ["initial", "frozen"])
@pytest.mark.parametrize("name", ["residual", "branch"])
def test_every_operator_has_a_box(open_page, files, name, stage):
    page = open_page(files[name], "--stage", stage)
    page.js("const sizes = document.querySelector('#sizes'); if (!sizes.checked) sizes.click()")
    page.click("#expand-all")
    assert page.count(".item[data-kind=operator]") == graph_of(files[name], "--stage", stage)[
        "operators"] > 0
    assert page.text(f"#stages [data-stage={stage}]") == stage
    assert page.count("#stages [aria-selected=true]") == 1
    assert stage in page.text("#panel h2")
    assert page.count(".edge") >= page.count(".item[data-kind=operator]")


def test_stages_can_be_changed(open_page, files):
    page = open_page(files["residual"])
    page.click("#stages [data-stage=frozen]")
    assert "frozen" in page.text("#panel h2")
    operators = graph_of(files["residual"], "--stage", "frozen")["operators"]
    assert f"{operators} operators" in page.text("#subtitle")
    page.click("[data-tab=passes]")
    passes = graph_of(files["residual"], "--stage", "frozen")["passes"]
    assert page.count("#panel .passes tbody tr") == len(passes) > 0


def test_search_highlights_and_steps(open_page, files):
    page = open_page(files["residual"])
    page.keys("#search", "linear")
    page.click("#expand-all")
    hits = int(page.text("#hits").split()[0])
    assert hits >= 3
    assert page.count(".item.hit") == hits
    before = page.transform()
    page.keys("#search", Keys.ENTER)
    assert page.text("#hits") == f"1 of {hits}"
    assert page.count(".item.hit.selected") == 1
    page.keys("#search", Keys.ENTER)
    assert page.text("#hits") == f"2 of {hits}"
    page.click("#previous")
    assert page.text("#hits") == f"1 of {hits}"
    assert page.transform() != before
    page.keys("#search", Keys.ESCAPE)
    assert page.count(".item.hit") == 0 and page.text("#hits") == ""
    page.keys("#search", "no such thing")
    assert page.text("#hits") == "no hits"


@pytest.mark.parametrize("wanted", ["tanh", "layers.2", "test_graph_page.py"])
def test_search_finds_operators_modules_and_lines(open_page, files, wanted):
    page = open_page(files["residual"], "--stage", "frozen")
    page.keys("#search", wanted)
    assert page.text("#hits") != "no hits"
    page.keys("#search", Keys.ENTER)
    assert page.count(".item.selected") == 1
    assert wanted in page.text("#panel")


def test_search_opens_what_holds_a_hit(open_page, files):
    page = open_page(files["residual"])
    page.click("#collapse-all")
    assert not page.item("relu")
    page.keys("#search", "aten::relu", Keys.ENTER)
    assert page.item("relu")
    assert page.count(".item.hit.selected") == 1


def test_zoom_and_pan(open_page, files):
    page = open_page(files["residual"])
    seen = {page.transform()}
    for act in (lambda: page.click("#zoom-in"), lambda: page.click("#zoom-out"),
                lambda: page.click("#zoom-out"), lambda: page.keys("#diagram", "-"),
                lambda: page.keys("#diagram", Keys.ARROW_LEFT)):
        before = page.transform()
        act()
        assert page.transform() != before
        seen.add(page.transform())
    assert len(seen) >= 4
    before = page.transform()
    page.js("document.querySelector('#diagram').dispatchEvent(new WheelEvent('wheel',"
            " {deltaY: -120, clientX: 300, clientY: 300, bubbles: true, cancelable: true}))")
    assert page.transform() != before
    page.click("#fit")
    fitted = page.transform()
    page.keys("#diagram", "+", "0")
    assert page.transform() == fitted
    inside = page.js(
        "const [box, all] = ['#diagram', '.drawing'].map((each) =>"
        " document.querySelector(each).getBoundingClientRect());"
        "return all.left >= box.left && all.right <= box.right && all.top >= box.top &&"
        " all.bottom <= box.bottom")
    assert inside


def test_dragging_moves_the_diagram(open_page, files, browser):
    page = open_page(files["residual"])
    before = page.transform()
    webdriver.ActionChains(browser).move_to_element_with_offset(
        browser.find_element("id", "diagram"), -350, 100).click_and_hold().move_by_offset(
        60, 40).release().perform()
    assert page.transform() != before


def test_details_of_a_node(open_page, files):
    page = open_page(files["residual"], "--engine", "interpreter", "--stage", "optimized", "-i",
                     f"x={json.dumps(torch.ones(2, 8).tolist())}")
    page.click("#expand-all")
    page.item("tanh").click()
    panel = page.text("#panel")
    for part in ("aten::tanh", "float32[2, 8]", "test_graph_page.py:", "Inputs", "Outputs"):
        assert part in panel
    page.click("#panel button.link")
    assert "aten::tanh" not in page.text("#panel dl")
    assert page.count(".item.selected") == 1


def test_groups_open_and_close(open_page, files):
    page = open_page(files["branch"])
    page.click("#expand-all")
    everything = page.count(".item")
    assert page.count(".item.open") >= 4  # Loop, body, If, two branches.
    page.click(".item.control.open > .head .grip")
    assert page.count(".item") < everything
    assert page.count(".item.closed[data-kind=control]") == 1
    page.click(".item.closed .toggle")
    page.click("#expand-all")
    assert page.count(".item") == everything
    page.click("#collapse-all")
    assert page.count(".item.open") == 0


def test_profile_colours_by_time_and_has_tables(open_page, files):
    page = open_page(files["residual"], "--engine", "interpreter", "--profile", "-i",
                     f"x={json.dumps(torch.ones(2, 8).tolist())}")
    assert page.count(".item.heated") > 0
    page.click("[data-tab=time]")
    assert "By operator" in page.text("#panel") and "aten::linear" in page.text("#panel")
    assert "test_graph_page.py:" in page.text("#panel")
    page.js("const colour = document.querySelector('#colour'); colour.value = 'kind';"
            "colour.dispatchEvent(new Event('change'))")
    assert page.count(".item.heated") == 0


def test_light_and_dark(open_page, files):
    page = open_page(files["residual"])
    background = "return getComputedStyle(document.body).backgroundColor"
    before = page.js(background)
    page.click("#theme")
    assert page.js(background) != before
    page.click("#theme")
    assert page.js(background) == before


def test_thousands_of_nodes(open_page, files, browser):
    page = open_page(files["long"])
    assert 0 < page.count(".item") < 400
    load = page.js("const t = performance.timing; return t.loadEventEnd - t.navigationStart")
    assert load < 10_000
    assert "5,000 operators" in page.text("#subtitle")
    page.js("globalThis.confirm = () => true")
    page.click("#expand-all")
    assert page.count(".item[data-kind=operator]") == 5000
    page.keys("#search", "aten::sin", Keys.ENTER)
    assert page.text("#hits") == "1 of 2500"


def test_hostile_file_names_stay_text(open_page, files):
    page = open_page(files["<img src=x onerror=hacked=1>"])
    assert page.text("#title") == "<img src=x onerror=hacked=1>.pt"
    assert page.count("img") == 0
    assert page.js("return globalThis.hacked === undefined")


def test_hostile_text_of_a_graph_stays_text(browser, files, tmp_path):
    """Every string of a graph is an attack, as a file may have it."""
    path = tmp_path / "page.html"
    cli_ok("graph", files["residual"], "--html", path)
    before, data, after = split_page(path.read_text())
    assert json.loads(data)["title"] == "residual.pt"
    attacked = attack(json.loads(data))
    text = json.dumps(attacked).replace("<", "\\u003c")
    path.write_text(before + text + after)
    page = Page(browser, path)
    page.click("#expand-all")
    page.js("page.tree.items.slice(1).forEach((item) => page.goTo(item));"
            "page.panel.open('passes'); page.panel.open('notes')")
    assert page.js("return globalThis.hacked === undefined")
    assert page.count("img") == 0 and page.count("script") == 2
    assert page.errors() == []


def test_policy_of_the_page_forbids_other_scripts(browser, files, tmp_path):
    """Were an attack to get out of the data all the same, the browser would not run it."""
    path = tmp_path / "page.html"
    cli_ok("graph", files["residual"], "--html", path)
    before, data, after = split_page(path.read_text())
    path.write_text(before + data + ATTACK + after)
    page = Page(browser, path)
    assert page.js("return globalThis.hacked === undefined")
    assert any("Content Security Policy" in entry["message"] for entry in page.errors())


def split_page(text: str) -> tuple[str, str, str]:
    """What stands before the page's data, the data, and what follows."""
    start = text.index('id="data">') + len('id="data">')
    end = text.index("</script>", start)
    return text[:start], text[start:end], text[end:]


def attack(value, key: str = ""):
    """The same data with an attack in every text that a file can choose."""
    if isinstance(value, dict):
        return {name: attack(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [attack(item, key) for item in value]
    if isinstance(value, str) and key not in ("kind", "stage"):
        return value + ATTACK
    return value
