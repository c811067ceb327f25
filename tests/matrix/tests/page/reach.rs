//! Whom the page reaches, and what it does not: no network, whatever got into it; readers in the
//! dark, on a phone, without a script, with a screen reader; runs of any size.

use crate::{Setting, Test, made, page, same};
use scraper::{Html, Selector};
use serde_json::{Value, json};

/// By what they claim.
pub const TESTS: &[(&str, Test)] = &[
    ("it_asks_nothing_of_a_network_and_has_no_errors", alone),
    ("what_gets_in_all_the_same_is_stopped_by_the_policy", policy),
    ("text_has_contrast_in_light_and_dark", contrast),
    ("it_fits_a_phone", phone),
    ("without_a_script_everything_is_there", without_script),
    ("a_screen_reader_finds_a_table_and_names", names),
    ("a_run_of_300_cases_on_8_hypervisors_is_usable", large),
];

fn alone(setting: &mut Setting) -> Result<(), String> {
    for hash in ["", "#case=abort.case_0&at=software", "#verdict=failed"] {
        setting.open(hash)?;
        setting.browser.settle()?;
        let address = setting.browser.eval("location.href.split('#')[0]")?;
        let address = address.as_str().ok_or("no address")?.to_owned();
        // With the hash or without: the protocol gives it apart.
        same("requests", &setting.browser.requests(), &vec![address])?;
        same("complaints", &setting.browser.complaints(), &vec![])?;
        same("harm", &setting.browser.eval("String(window.harmed)")?.as_str(), &Some("undefined"))?;
    }
    Ok(())
}

/// The same check on pages that do ask: it must see them. And the page with foreign HTML put into
/// it, as if something had not been escaped: the policy stops it.
fn policy(setting: &mut Setting) -> Result<(), String> {
    let foreign = "<img src=\"http://host.test/image\"><script>window.harmed = 1</script>\
                   <img src=x onerror=\"window.harmed = 2\"><style>body { color: red }</style>\
                   <link rel=stylesheet href=\"http://host.test/style\">\
                   <iframe src=\"http://host.test/frame\"></iframe>";
    let open = setting.write("open.html", &format!("<!doctype html><body>{foreign}"));
    setting.browser.open(&open)?;
    let asked = setting.browser.requests();
    for what in ["image", "style", "frame"] {
        if !asked.contains(&format!("http://host.test/{what}")) {
            return Err(format!("a page that asks for {what} was not noticed: {asked:?}"));
        }
    }
    if setting.browser.complaints().is_empty() {
        return Err("a page that failed to get things was not noticed".into());
    }
    if setting.browser.eval("String(window.harmed)")?.as_str() == Some("undefined") {
        return Err("without a policy the foreign script did not run".into());
    }
    let whole = page(&setting.records);
    let broken = whole.replace("<main>", &format!("<main>{foreign}"));
    if broken == whole {
        return Err("the page has no <main>".into());
    }
    let broken = setting.write("broken.html", &broken);
    setting.browser.open(&broken)?;
    setting.browser.settle()?;
    same("harm", &setting.browser.eval("String(window.harmed)")?.as_str(), &Some("undefined"))?;
    let color = setting.browser.eval("getComputedStyle(document.body).color")?;
    if color.as_str() == Some("rgb(255, 0, 0)") {
        return Err("the foreign style was taken".into());
    }
    let reached = |event: &&Value| {
        event["method"] == "Network.responseReceived"
            && !event["params"]["response"]["url"]
                .as_str()
                .is_some_and(|url| url.starts_with("file:"))
    };
    same("answers", &setting.browser.events.iter().filter(reached).count(), &0)?;
    let stopped = setting.browser.events.iter().filter(|event| {
        event["method"] == "Network.loadingFailed" && event["params"]["blockedReason"] == "csp"
    });
    if stopped.count() < 2 {
        return Err("the policy stopped nothing".into());
    }
    // Our own script works beside it.
    same("the table", &setting.shown()?.len(), &crate::CASES)
}

/// WCAG 2.2, 1.4.3: 4.5:1 for text; its formula for relative luminance.
const CONTRAST: &str = r#"(() => {
  const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const parse = (text) => { const n = text.match(/[\d.]+/g).map(Number); return { rgb: n.slice(0, 3), alpha: n[3] ?? 1 }; };
  const light = ({ rgb: [r, g, b] }) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.alpha === 1) return color;
    }
    return parse('rgb(255, 255, 255)');
  };
  const bad = [];
  let seen = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest('script, style, title, .sr, option')) continue;
    const style = getComputedStyle(element);
    const color = parse(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(color), light(ground(element))].sort((x, y) => y - x);
    seen += 1;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${element.tagName}.${element.className.baseVal ?? element.className}: ${ratio.toFixed(2)}`);
  }
  return [String(seen), ...new Set(bad)];
})()"#;

fn contrast(setting: &mut Setting) -> Result<(), String> {
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        setting.browser.call("Emulation.setEmulatedMedia", feature)?;
        for hash in ["", "#case=abort.case_5&at=software", "#case=gic.case_2"] {
            setting.open(hash)?;
            let found = setting.words(CONTRAST)?;
            if found[0].parse::<u32>().unwrap_or(0) < 150 {
                return Err(format!("hardly any text was looked at: {}", found[0]));
            }
            same(&format!("{scheme} {hash}"), &found[1..].to_vec(), &vec![])?;
        }
        grounds.push(setting.browser.eval("getComputedStyle(document.body).backgroundColor")?);
    }
    setting.browser.call("Emulation.setEmulatedMedia", json!({ "features": [] }))?;
    if grounds[0] == grounds[1] { Err("the dark is as the light".into()) } else { Ok(()) }
}

fn phone(setting: &mut Setting) -> Result<(), String> {
    let phone = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
    setting.browser.call("Emulation.setDeviceMetricsOverride", phone)?;
    let mut outcome = Ok(());
    for hash in ["", "#case=abort.case_5&at=software", "#case=timer.case_4&at=hvf"] {
        setting.open(hash)?;
        let widths = setting.browser.eval(
            "[innerWidth, document.documentElement.scrollWidth, \
              document.getElementById('panel').scrollWidth]",
        )?;
        let fits = |i: usize| widths[i].as_u64().is_some_and(|width| width <= 360);
        if !(fits(0) && fits(1) && fits(2)) {
            let wide = setting.words(
                "[...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && \
                  e.getBoundingClientRect().right > 360 && !e.closest('.scroll, pre, .sr, .skip')) \
                  .map((e) => e.tagName + '.' + e.className)",
            )?;
            outcome = Err(format!("{hash}: window, page and panel are wide: {widths}: {wide:?}"));
        }
    }
    setting.browser.call("Emulation.clearDeviceMetricsOverride", json!({}))?;
    outcome
}

fn without_script(setting: &mut Setting) -> Result<(), String> {
    setting.browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }))?;
    let address = format!("file://{}", setting.folder.join("page.html").display());
    let loaded = setting.browser.open(&format!("{address}#case=smp.case_3&at=hvf"));
    let dom = loaded.and_then(|()| setting.browser.dom());
    let layout = setting.browser.call("Page.getLayoutMetrics", json!({}));
    setting.browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": false }))?;
    let (dom, layout) = (Html::parse_document(&dom?), layout?);
    let count = |selector| dom.select(&Selector::parse(selector).expect("a selector")).count();
    same("the script did not run", &count("html.js"), &0)?;
    same("rows", &count("#matrix tr[data-case]"), &crate::CASES)?;
    same("hidden rows", &count("#matrix tr[hidden]"), &0)?;
    same("hidden filters", &count("#filters[hidden]"), &1)?;
    same("panels", &count("#panel article:not([hidden])"), &crate::CASES)?;
    // The address led the browser itself to the place, far below the table.
    let top = layout["cssVisualViewport"]["pageY"].as_f64().unwrap_or(0.0);
    if top > 1000.0 { Ok(()) } else { Err(format!("the address led to {top}")) }
}

fn names(setting: &mut Setting) -> Result<(), String> {
    setting.open("#group=abort")?;
    let tree = setting.browser.call("Accessibility.getFullAXTree", json!({}))?;
    let nodes = tree["nodes"].as_array().ok_or("no tree")?;
    let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
    let seen = || nodes.iter().filter(|node| node["ignored"] != true);
    let count = |name: &str| seen().filter(|node| role(node) == name).count();
    same("tables", &count("table"), &1)?;
    // The heads of the columns, the case's among them; the rows' heads and the sums'.
    same("column heads", &count("columnheader"), &(crate::COLUMNS + 1))?;
    for node in seen() {
        let role = role(node);
        let names = ["link", "button", "checkbox", "searchbox", "combobox", "region", "rowheader"];
        let name = node["name"]["value"].as_str().unwrap_or_default();
        if names.contains(&role.as_str()) && name.trim().is_empty() {
            return Err(format!("a {role} has no name: {node}"));
        }
    }
    let links = seen()
        .filter(|node| role(node) == "link")
        .filter_map(|node| node["name"]["value"].as_str());
    for word in ["passed", "failed", "known difference"] {
        if !links.clone().any(|name| name == word) {
            return Err(format!("no link is read as {word}"));
        }
    }
    Ok(())
}

fn large(setting: &mut Setting) -> Result<(), String> {
    let records = made::records(300, 8, "1/1", |_| true);
    let text = page(&records);
    // What it takes to read it is in proportion to its size.
    let most = 8 << 20;
    if text.len() > most {
        return Err(format!("the page has {} bytes, more than {most}", text.len()));
    }
    let address = setting.write("large.html", &text);
    setting.browser.open(&format!("{address}#group=more29"))?;
    setting.browser.settle()?;
    same("shown", &setting.shown()?.len(), &10)?;
    setting.browser.eval("location.hash = '#verdict=failed&case=more10.case_1'")?;
    setting.browser.settle()?;
    same("opened", &setting.opened()?, &vec!["more10.case_1".to_owned()])?;
    // Only what is seen is laid out: the panels of the other cases take no part in it.
    let laid_out = setting.browser.eval(
        "[...document.querySelectorAll('#panel article')].filter((a) => a.getClientRects().length).length",
    )?;
    same("laid out", &laid_out.as_u64(), &Some(1))?;
    same("complaints", &setting.browser.complaints(), &vec![])
}
