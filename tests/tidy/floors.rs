//! The floors: which module may use which. The table is the one in the comment of `src/lib.rs`,
//! so that what people read and what is enforced cannot differ.

use crate::Source;
use crate::code::without_text;
use std::collections::{BTreeMap, BTreeSet};

/// The floor of each module directly below the crate.
pub struct Floors(BTreeMap<String, u32>);

impl Floors {
    /// Reads the table `| floor | modules |` from the comment that opens `library`.
    pub fn parse(library: &str) -> Result<Floors, String> {
        let mut floors = BTreeMap::new();
        let comment = library.lines().map_while(|line| line.strip_prefix("//!"));
        for line in comment.map(str::trim).filter(|line| line.starts_with('|')) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let Ok(floor) = cells[0].parse() else { continue };
            let modules = cells.get(1).ok_or(format!("no modules on floor {floor}"))?;
            for module in modules.split(',').map(|m| m.trim().trim_matches('`')) {
                if floors.insert(module.to_owned(), floor).is_some() {
                    return Err(format!("{module} stands on two floors"));
                }
            }
        }
        if floors.is_empty() { Err("no table".into()) } else { Ok(Floors(floors)) }
    }

    /// Modules that are in the crate and not in the table, or the other way round.
    pub fn unlisted(&self, library: &str, sources: &[Source]) -> Vec<String> {
        let declared: Vec<&str> = library
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub ").unwrap_or(line.trim()).strip_prefix("mod "))
            .filter_map(|rest| rest.strip_suffix(';'))
            .collect();
        let mut found = Vec::new();
        for module in declared.iter().filter(|m| !self.0.contains_key(**m)) {
            found.push(format!("src/lib.rs: module {module} is missing from the table of floors"));
        }
        for module in self.0.keys() {
            let exists = sources.iter().any(|s| s.module() == Some(module));
            if !exists || !declared.contains(&module.as_str()) {
                found.push(format!("src/lib.rs: the table of floors names {module}, which is no module"));
            }
        }
        found
    }

    /// Modules of the ground floor that use themselves by way of others.
    pub fn cycles(&self, sources: &[Source]) -> Vec<String> {
        let mut uses: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for source in sources {
            let Some(module) = source.module().filter(|m| self.0.get(*m) == Some(&0)) else { continue };
            let names = used_modules(source, &without_text(&source.text)).into_iter().map(|(_, name)| name);
            uses.entry(module)
                .or_default()
                .extend(names.filter(|name| name != module && self.0.get(name) == Some(&0)));
        }
        // Whoever uses nothing that is left cannot be in a cycle: take them away until none is left.
        while let Some(free) = uses.iter().find(|(_, used)| used.is_empty()).map(|(module, _)| *module) {
            uses.remove(free);
            uses.values_mut().for_each(|used| _ = used.remove(free));
        }
        let left: Vec<&str> = uses.into_keys().collect();
        match left.is_empty() {
            true => Vec::new(),
            false => vec![format!("src: modules of floor 0 use each other in a cycle: {}", left.join(", "))],
        }
    }

    /// What `module` uses and must not, in one of its files; `code` is its text without comments.
    pub fn findings(&self, source: &Source, module: &str, code: &str) -> Vec<String> {
        let Some(own) = self.0.get(module) else {
            return vec![format!("module {module} is missing from the table of floors")];
        };
        let mut found = Vec::new();
        for (line, used) in used_modules(source, code) {
            match self.0.get(&used) {
                _ if used == module => {}
                _ if used == "*" => found.push(format!("line {line}: glob import of the crate")),
                Some(floor) if floor < own => {}
                Some(0) => {} // the ground floor's modules are words for each other; see `cycles`
                Some(floor) => found.push(format!(
                    "line {line}: {module} (floor {own}) uses {used} (floor {floor}); only lower floors may be used"
                )),
                None => found.push(format!("line {line}: uses crate::{used}, which is not in the table of floors")),
            }
        }
        found
    }
}

/// Line and name of every module directly below the crate that `code` names.
fn used_modules(source: &Source, code: &str) -> Vec<(usize, String)> {
    let tests = code.find("mod tests").unwrap_or(code.len());
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let whole_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if whole_word {
            first_names(&code[at + "crate::".len()..], &mut |name| used.push((line(code, at), name)));
        }
    }
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with("super::") {
            continue; // counted with the first of the chain
        }
        let ups = code[at..].split("super::").take_while(|piece| piece.is_empty()).count();
        let depth = source.depth() + usize::from(at > tests);
        if ups >= depth {
            let after = &code[at + ups * "super::".len()..];
            first_names(after, &mut |name| used.push((line(code, at), name)));
        }
    }
    used
}

/// The first name of each path in `{a::b, c}` or `a::b`, whichever `rest` starts with.
fn first_names(rest: &str, found: &mut dyn FnMut(String)) {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let Some(group) = rest.trim_start().strip_prefix('{') else {
        found(name(rest));
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let piece = name(&group[start..at]);
                if !piece.is_empty() && piece != "self" {
                    found(piece);
                }
                start = at + 1;
                if c == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}
