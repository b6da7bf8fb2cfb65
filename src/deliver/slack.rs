//! Slack's incoming webhook: one message for each step, short enough to be read on a telephone.
//!
//! What devices say is text to Slack and no markup: `&`, `<` and `>` are escaped, so that no name can ring a
//! channel or hide an address behind other words.

use serde_json::{Value, json};

use super::entry::Notice;
use super::letter::page_of;

/// Slack takes 3,000 characters a block: five times this, when all of it must be escaped.
const HEADLINE: usize = 500;
const PARAGRAPH: usize = 580;

/// The message that tells of one alert, or of several.
pub(super) fn body(notices: &[Notice], external_url: &str) -> Result<Vec<u8>, serde_json::Error> {
    match notices {
        [notice] => one(notice, external_url),
        several => group(several, external_url),
    }
}

/// One line for each of the first so many.
const LINES: usize = 15;
const LINE: usize = 30;

fn group(notices: &[Notice], external_url: &str) -> Result<Vec<u8>, serde_json::Error> {
    let firing = notices.iter().filter(|notice| notice.firing).count();
    let text = format!("[{firing} FIRING, {} RESOLVED]", notices.len() - firing);
    let line = |notice: &Notice| {
        let text =
            |name: &str| notice.annotations.get(name).or_else(|| notice.labels.get(name)).map_or("", String::as_str);
        let state = if notice.firing { text("severity") } else { "resolved" };
        let summary = escaped(text("summary"), LINE * 4);
        format!("*{}* <{}|{}>", escaped(state, LINE), page_of(notice, external_url), summary.replace('|', "/"))
    };
    let mut blocks: Vec<Value> = notices.iter().take(LINES).map(line).map(section).collect();
    if let Some(held) = notices.iter().find_map(|notice| notice.annotations.get("held")) {
        blocks.push(section(escaped(held, PARAGRAPH)));
    }
    if notices.len() > LINES {
        blocks.push(section(format!("and {} more", notices.len() - LINES)));
    }
    let colour = if firing > 0 { "#d50200" } else { "#2eb886" };
    serde_json::to_vec(&json!({
        "text": text,
        "unfurl_links": false,
        "attachments": [{"color": colour, "blocks": blocks}],
    }))
}

fn section(text: String) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

fn one(notice: &Notice, external_url: &str) -> Result<Vec<u8>, serde_json::Error> {
    let word = |name: &str| notice.annotations.get(name).filter(|text| !text.is_empty());
    let label = |name: &str| notice.labels.get(name).map_or("", String::as_str);
    let state = match label("severity") {
        _ if !notice.firing => "RESOLVED".to_owned(),
        severity => severity.to_uppercase(),
    };
    let summary = word("summary").map_or(label("alertname"), String::as_str);
    let text = format!("[{}] {}", escaped(&state, HEADLINE), escaped(summary, HEADLINE));
    let colour = match label("severity") {
        _ if !notice.firing => "#2eb886",
        "critical" => "#d50200",
        "warning" => "#de9e31",
        _ => "#439fe0",
    };
    let mut blocks: Vec<Value> = Vec::new();
    if notice.firing {
        let paragraphs = [
            ("Cause", "cause"),
            ("Evidence", "evidence"),
            ("Action", "action"),
            ("Explains", "explains"),
            ("Held", "held"),
        ];
        blocks.extend(paragraphs.into_iter().filter_map(|(title, name)| {
            let text = format!("*{title}:* {}", escaped(word(name)?, PARAGRAPH));
            Some(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}))
        }));
    }
    let page = page_of(notice, external_url);
    let link =
        format!("{} \u{b7} <{}|Open in Selvedge>", escaped(label("alertname"), HEADLINE), escaped(&page, PARAGRAPH));
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": link}]}));
    serde_json::to_vec(&json!({
        "text": text,
        "unfurl_links": false,
        "attachments": [{"color": colour, "blocks": blocks}],
    }))
}

/// Slack's escapes, and at most so many characters of the original, the last of which then says that there were
/// more. Escaped it is five times as long at most.
fn escaped(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    for (count, char) in text.chars().enumerate() {
        match char {
            _ if count == most => {
                escaped.push('\u{2026}');
                break;
            }
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::webhook::tests::notice;

    #[test]
    fn the_longest_texts_fit_into_their_blocks() {
        let mut notice = notice();
        for name in ["summary", "cause", "evidence", "action"] {
            notice.annotations.insert(name.into(), "&".repeat(100_000));
        }
        let body: Value = serde_json::from_slice(&body(&[notice], "http://monitor:9750").unwrap()).unwrap();
        let blocks = body["attachments"][0]["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 4);
        for block in &blocks[..3] {
            let text = block["text"]["text"].as_str().unwrap();
            assert!(text.ends_with("&amp;\u{2026}") && text.chars().count() <= 3_000, "{}", text.len());
        }
        assert!(body["text"].as_str().unwrap().len() < 3_000);
    }

    #[test]
    fn what_devices_say_is_no_markup() {
        assert_eq!(escaped("<!channel> & \n<http://a|b>", 99), "&lt;!channel&gt; &amp;  &lt;http://a|b&gt;");
        assert_eq!(escaped("abc", 3), "abc");
        assert_eq!(escaped("abcd", 3), "abc\u{2026}");
    }
}
