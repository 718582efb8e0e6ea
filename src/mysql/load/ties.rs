//! What ties tables to the server that they come from: tablespaces and keys that another server has not. It
//! promises that a table can be made without, and that what is left out is named.

use super::definition::{Scan, is_plain, parts};

/// The statement without what ties a table to things of the old server outside of databases: general
/// tablespaces, and the keys that encrypt. What was left out goes into `left_out`.
pub fn without_ties(create: &str, left_out: &mut Vec<String>) -> String {
    let mut out = create.to_owned();
    for (begin, end) in
        [("/*!50100 TABLESPACE ", " */"), ("/*!80016 ENCRYPTION='Y'", " */"), (" TABLESPACE = ", "`")]
    {
        let mut from = 0;
        while let Some(at) = out.get(from..).and_then(|rest| rest.find(begin)).map(|at| at + from) {
            from = at + 1;
            let rest = out.get(at + begin.len()..).unwrap_or_default();
            let mut scan = Scan::new(rest);
            scan.skip_quoted();
            let Some(length) = rest.get(scan.at..).and_then(|rest| match end {
                "`" => (scan.at > 0).then_some(0),
                _ => rest.starts_with(end).then_some(end.len()),
            }) else {
                continue;
            };
            if !is_plain(&out, at) {
                continue;
            }
            let last = at + begin.len() + scan.at + length;
            let words = out.get(at..last).unwrap_or_default();
            let words = words.trim_end_matches("*/").trim();
            let words = words.strip_prefix("/*!").map_or(words, |words| words.get(6..).unwrap_or_default());
            left_out.push(words.trim().to_owned());
            out.replace_range(at..last, "");
        }
    }
    without_keys(&out, left_out)
}

/// The statement without the options that have MariaDB encrypt a table: a server without keys makes none
/// that has them, whatever its modes.
fn without_keys(create: &str, left_out: &mut Vec<String>) -> String {
    const OPTIONS: [&str; 2] = ["ENCRYPTED", "ENCRYPTION_KEY_ID"];
    let Some((_, _, tail)) = parts(create) else { return create.to_owned() };
    let head = create.get(..create.len() - tail.len()).unwrap_or_default();
    let mut out = tail.to_owned();
    for option in OPTIONS.iter().flat_map(|option| [format!(" `{option}`="), format!(" {option}=")]) {
        let mut from = 0;
        while let Some(at) = out.get(from..).and_then(|rest| rest.to_ascii_uppercase().find(&option)) {
            let at = at + from;
            from = at + 1;
            let value = out.get(at + option.len()..).unwrap_or_default();
            let mut scan = Scan::new(value);
            if !scan.skip_quoted() {
                scan.at = value.bytes().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            }
            let end = at + option.len() + scan.at;
            if !is_plain(&out, at) {
                continue;
            }
            left_out.push(out.get(at + 1..end).unwrap_or_default().to_owned());
            out.replace_range(at..end, "");
            from = at;
        }
    }
    format!("{head}{out}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_to_the_old_server_are_cut_and_named() {
        let create = "CREATE TABLE `t` (\n  `a` int COMMENT '/*!50100 TABLESPACE `x` */'\n) /*!50100 TABLESPACE `ts 1` */ ENGINE=InnoDB \
                      /*!80016 ENCRYPTION='Y' */\n/*!50100 PARTITION BY HASH (`a`)\n(PARTITION p0 TABLESPACE = `q` ENGINE = InnoDB) */";
        let mut left_out = Vec::new();
        let made = without_ties(create, &mut left_out);
        assert_eq!(left_out, ["TABLESPACE `ts 1`", "ENCRYPTION='Y'", "TABLESPACE = `q`"]);
        assert!(
            made.contains("COMMENT '/*!50100 TABLESPACE `x` */'\n)  ENGINE=InnoDB \n/*!50100 PARTITION"),
            "{made}"
        );
        assert!(made.ends_with("(PARTITION p0 ENGINE = InnoDB) */"), "{made}");
    }

    #[test]
    fn keys_of_the_old_server_are_left_out_and_named() {
        let create = "CREATE TABLE `t` (\n  `a` int COMMENT ' `ENCRYPTED`=YES'\n) ENGINE=InnoDB COMMENT='x ENCRYPTED=YES é' \
                      `ENCRYPTED`=YES `encryption_key_id`='5' `PAGE_COMPRESSED`=1\n PARTITION BY HASH (`a`)";
        let mut left_out = Vec::new();
        let made = without_ties(create, &mut left_out);
        assert_eq!(left_out, ["`ENCRYPTED`=YES", "`encryption_key_id`='5'"]);
        let expected = create.replace(" `ENCRYPTED`=YES `encryption_key_id`='5'", "");
        assert_eq!(made, expected);
    }
}
