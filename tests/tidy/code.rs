//! Rust text without what is not code: comments vanish, the insides of strings and characters too.
//! Lines keep their numbers, so that findings can name them.

/// `text` with comments and the contents of literals blanked.
pub fn without_text(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let skipped = match skip(rest, previous) {
            0 => {
                code.push(first);
                first.len_utf8()
            }
            length => {
                let literal = !rest.starts_with('/');
                code.push_str(if literal { "\"\"" } else { " " });
                code.extend(rest[..length].chars().filter(|&c| c == '\n'));
                length
            }
        };
        previous = rest[..skipped].chars().next_back().unwrap_or(' ');
        rest = &rest[skipped..];
    }
    code
}

/// The length of the comment or literal that `rest` starts with, 0 if it starts with code.
fn skip(rest: &str, previous: char) -> usize {
    let in_word = previous.is_alphanumeric() || previous == '_';
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        string(rest)
    } else if rest.starts_with('\'') {
        character(rest)
    } else if !in_word && (rest.starts_with('r') || rest.starts_with("br")) {
        raw_string(rest)
    } else {
        0
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((escape, c))) => {
            let from = escape + c.len_utf8();
            rest[from..].find('\'').map_or(rest.len(), |end| from + end + 1)
        }
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 0,
    }
}

fn raw_string(rest: &str) -> usize {
    let start = rest.find('r').map_or(0, |at| at + 1);
    let hashes = rest[start..].chars().take_while(|&c| c == '#').count();
    let body = start + hashes + 1;
    if !rest[start + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len())
}
