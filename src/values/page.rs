//! Pages to print. It promises that nothing of a page comes from elsewhere (no script, no picture, no
//! font) and that text becomes text: whatever it holds, it opens no element.

/// The look of every page.
const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:48em;margin:2em auto;padding:0 1em;color:#111}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.6em;border-bottom:1px solid #999}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25em .6em;border:1px solid #bbb;vertical-align:top}\
td.n{text-align:right;white-space:nowrap}.verdict{font-size:1.2em;padding:.5em .8em;border:2px solid #111}\
pre{font-size:.9em;padding:.5em .8em;border:1px solid #bbb;white-space:pre-wrap;overflow-wrap:anywhere}\
.line{border-bottom:1px solid #111;height:2em}@media print{body{margin:0}h2{break-after:avoid}tr{break-inside:avoid}}";

/// The whole page with this `title` and `body`, which is HTML already.
pub fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n{body}</body></html>\n"
    )
}

/// `text` for HTML, in an element or an attribute.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            other if other.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// A table: its heads, then its rows, all text. A column whose head begins with `#` holds numbers.
pub fn table<R: AsRef<[String]>>(heads: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut out = String::from("<table><tr>");
    heads.iter().for_each(|head| out += &format!("<th>{}</th>", escaped(head.trim_start_matches('#'))));
    out += "</tr>\n";
    for row in rows {
        out += "<tr>";
        for (at, cell) in row.as_ref().iter().enumerate() {
            let class = if heads.get(at).is_some_and(|h| h.starts_with('#')) { " class=\"n\"" } else { "" };
            out += &format!("<td{class}>{}</td>", escaped(cell));
        }
        out += "</tr>\n";
    }
    out + "</table>\n"
}

/// A list of texts.
pub fn list<S: AsRef<str>>(lines: &[S]) -> String {
    let items: String = lines.iter().map(|line| format!("<li>{}</li>", escaped(line.as_ref()))).collect();
    format!("<ul>{items}</ul>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_text_everywhere() {
        let evil = "<script>alert('x')</script>\u{1b}\"&";
        let body = table(&[evil, "#n"], [[evil.to_owned(), "1".into()]]) + &list(&[evil]);
        let page = page(evil, &body);
        assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains("alert('"), "{page}");
        assert!(page.contains("<td class=\"n\">1</td>") && !page.contains("src="));
    }
}
