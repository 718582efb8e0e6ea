//! Cells of every form, from the binary protocol and into literals.

use super::*;
use proptest::prelude::*;

fn column(column_type: &str, form: ColumnForm) -> ColumnRecord {
    ColumnRecord { name: "c".into(), column_type: column_type.into(), form, character_set: String::new() }
}

fn written(value: Value, column: &ColumnRecord) -> String {
    let mut out = b"before".to_vec();
    assert!(cell(&value, CellFormat::of(column), &mut out).expect("cell"), "{value:?}");
    String::from_utf8(out.split_off(6)).expect("text")
}

#[test]
fn every_type_has_a_form() {
    let forms = [
        ("TINYINT", ColumnForm::Number),
        ("decimal", ColumnForm::Number),
        ("double", ColumnForm::Float),
        ("bit", ColumnForm::Member),
        ("year", ColumnForm::Temporal),
        ("longtext", ColumnForm::Text),
        ("varbinary", ColumnForm::Bytes),
        ("inet6", ColumnForm::Literal),
        ("geometrycollection", ColumnForm::Geometry),
    ];
    for (name, form) in forms {
        assert_eq!(form_of(name), Some(form), "{name}");
    }
    assert_eq!(form_of("xmltype"), None);
}

#[test]
fn members_are_selected_by_number() {
    assert_eq!(select_expression(&column("enum('a')", ColumnForm::Member)), "CAST(`c` AS UNSIGNED)");
    assert_eq!(select_expression(&column("text", ColumnForm::Text)), "`c`");
    assert_eq!(select_expression(&column("year(4)", ColumnForm::Temporal)), "`c`");
    assert_eq!(select_expression(&column("year(2)", ColumnForm::Temporal)), "IF(YEAR(`c`)=1900,0,YEAR(`c`))");
}

#[test]
fn numbers_are_digits() {
    let number = column("bigint(20)", ColumnForm::Number);
    assert_eq!(written(Value::Int(i64::MIN), &number), "-9223372036854775808");
    assert_eq!(written(Value::UInt(u64::MAX), &number), "18446744073709551615");
    assert_eq!(written(Value::Int(0), &number), "0");
    assert_eq!(written(Value::Bytes(b"-12.300".to_vec()), &number), "-12.300");
    assert_eq!(written(Value::UInt(3), &column("enum('a')", ColumnForm::Member)), "3");
    assert_eq!(written(Value::Int(0), &column("year(4)", ColumnForm::Temporal)), "0000");
    assert_eq!(written(Value::UInt(2155), &column("year(4)", ColumnForm::Temporal)), "2155");
}

#[test]
fn floats_keep_all_they_have() {
    let float = column("float", ColumnForm::Float);
    let cases = [
        (16_777_216.0, "16777216"),
        (-0.0, "-0"),
        (0.1, "0.10000000149011612"),
        (3.402_823_5e38, "3.4028234663852886e38"),
    ];
    for (number, text) in cases {
        assert_eq!(written(Value::Float(number), &float), text);
    }
    assert_eq!(written(Value::Double(5e-324), &float), "5e-324");
    assert_eq!(written(Value::Double(-1.5e-7), &float), "-1.5e-7");
    assert_eq!(written(Value::Double(9_007_199_254_740_993.0), &float), "9007199254740992");
    assert_eq!(written(Value::Double(1e16), &float), "1e16");
    assert!(cell(&Value::Double(f64::NAN), CellFormat::Float, &mut Vec::new()).is_err());
}

/// The shortest text, by the standard library.
fn shortest(number: f64) -> String {
    match number == 0.0 || (1e-5..1e16).contains(&number.abs()) {
        true => number.to_string(),
        false => format!("{number:e}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn floats_have_the_shortest_text(bits in any::<u64>(), number in -1_000_000_000i64..1_000_000_000, places in 0i32..6, near in -2i64..3) {
        let fee = (number as f64 / 10f64.powi(places)).to_bits();
        for number in [bits, fee, fee.wrapping_add_signed(near)].map(f64::from_bits) {
            let mut text = Vec::new();
            match number::float(number, &mut text) {
                Ok(()) => prop_assert_eq!(String::from_utf8(text).ok(), Some(shortest(number))),
                Err(_) => prop_assert!(!number.is_finite()),
            }
        }
    }
}

#[test]
fn dates_and_times_have_the_digits_of_their_column() {
    let temporal = |column_type| column(column_type, ColumnForm::Temporal);
    let zero = Value::Date(0, 0, 0, 0, 0, 0, 0);
    assert_eq!(written(zero.clone(), &temporal("date")), "0000-00-00");
    assert_eq!(written(zero.clone(), &temporal("datetime")), "0000-00-00 00:00:00");
    assert_eq!(written(zero, &temporal("timestamp(2)")), "0000-00-00 00:00:00.00");
    let some = Value::Date(2020, 2, 31, 1, 2, 3, 456_000);
    assert_eq!(written(some, &temporal("datetime(3)")), "2020-02-31 01:02:03.456");
    let long = Value::Time(true, 34, 22, 59, 59, 999_999);
    assert_eq!(written(long, &temporal("time(6)")), "-838:59:59.999999");
    assert_eq!(written(Value::Time(false, 0, 0, 0, 0, 0), &temporal("time")), "00:00:00");
    assert_eq!(written(Value::Time(false, 0, 1, 2, 3, 0), &temporal("time /* mariadb-5.3 */")), "01:02:03");
}

#[test]
fn values_of_another_kind_are_errors() {
    for (value, format) in [
        (Value::Bytes(b"2020-01-01".to_vec()), CellFormat::Date),
        (Value::Int(1), CellFormat::Raw),
        (Value::Bytes(b"1.5".to_vec()), CellFormat::Float),
        (Value::Date(1, 1, 1, 1, 0, 0, 0), CellFormat::Date),
        (Value::Int(-1), CellFormat::Year),
        (Value::Double(1.0), CellFormat::Number),
    ] {
        assert!(cell(&value, format, &mut Vec::new()).is_err(), "{value:?} {format:?}");
    }
    let mut out = Vec::new();
    assert!(!cell(&Value::NULL, CellFormat::Float, &mut out).expect("NULL") && out.is_empty());
}

fn literal_of(bytes: &[u8], form: ColumnForm, character_set: &str) -> String {
    let column = ColumnRecord { character_set: character_set.into(), ..column("", form) };
    let mut out = Vec::new();
    sql_literal(Some(bytes), LiteralFormat::of(&column), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn literals_are_readable_where_they_can_be() {
    assert_eq!(literal_of(b"-12.5", ColumnForm::Number, ""), "-12.5");
    assert_eq!(literal_of(b"16777216", ColumnForm::Float, ""), "16777216e0");
    assert_eq!(literal_of(b"5e-324", ColumnForm::Float, ""), "5e-324");
    assert_eq!(literal_of(b"2020-01-01", ColumnForm::Temporal, ""), "'2020-01-01'");
    assert_eq!(
        literal_of("caf\u{e9}'\n\\".as_bytes(), ColumnForm::Text, "utf8mb4"),
        "_utf8mb4'caf\u{e9}\\'\\n\\\\'"
    );
    assert_eq!(literal_of(b"caf\xe9", ColumnForm::Text, "utf8mb4"), "x'636166e9'");
    assert_eq!(literal_of(b"caf\xe9", ColumnForm::Text, "latin1"), "x'636166e9'");
    assert_eq!(literal_of(b"abc", ColumnForm::Text, "latin1"), "'abc'");
    assert_eq!(literal_of(b"\x83\x5c", ColumnForm::Text, "sjis"), "x'835c'");
    assert_eq!(literal_of(b"\0a", ColumnForm::Text, "ucs2"), "x'0061'");
    assert_eq!(literal_of(b"\0\xff", ColumnForm::Bytes, ""), "x'00ff'");
    assert_eq!(literal_of(b"abc", ColumnForm::Bytes, ""), "_binary'abc'");
    assert_eq!(literal_of(b"::1", ColumnForm::Literal, ""), "_utf8mb4'::1'");
    assert_eq!(literal_of(b"", ColumnForm::Geometry, ""), "_binary''");
    // A forged cell is no number.
    assert_eq!(literal_of(b"1);--", ColumnForm::Number, ""), "_binary'1);--'");
}

#[test]
fn a_long_literal_is_the_literal_in_parts() {
    let text = "it's \u{1f9b7}\n".repeat(200_000).into_bytes();
    let ascii = b"it's\t\r\\".repeat(200_000);
    let noise: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for cell in [&text, &ascii, &noise, &vec![0; 1 << 20]] {
        for (form, set) in [
            (ColumnForm::Text, "utf8mb4"),
            (ColumnForm::Text, "latin1"),
            (ColumnForm::Bytes, ""),
            (ColumnForm::Literal, ""),
            (ColumnForm::Number, ""),
        ] {
            let format = LiteralFormat::of(&ColumnRecord { character_set: set.into(), ..column("", form) });
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            sql_literal(Some(cell), format, &mut whole);
            let mut put = |part: &[u8]| {
                parts.extend_from_slice(part);
                Ok(())
            };
            let is_long = long_literal(cell, format, &mut put).expect("parts");
            assert!(
                is_long == (form != ColumnForm::Number) && (!is_long || parts == whole),
                "{form:?} {set}"
            );
        }
    }
    assert!(!long_literal(b"short", LiteralFormat::Bytes, &mut |_| Ok(())).expect("none"));
}

proptest! {
    #[test]
    fn a_double_comes_back_from_its_text(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let text = written(Value::Double(number), &column("double", ColumnForm::Float));
        prop_assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(bits), "{}", text);
    }

    #[test]
    fn a_float_comes_back_from_its_text(bits in any::<u32>()) {
        let number = f32::from_bits(bits);
        prop_assume!(number.is_finite());
        let text = written(Value::Float(number), &column("float", ColumnForm::Float));
        prop_assert_eq!(text.parse::<f64>().map(|double| (double as f32).to_bits()), Ok(bits), "{}", text);
    }

    #[test]
    fn integers_are_what_display_says(number in any::<i64>(), other in any::<u64>()) {
        let format = column("bigint", ColumnForm::Number);
        prop_assert_eq!(written(Value::Int(number), &format), number.to_string());
        prop_assert_eq!(written(Value::UInt(other), &format), other.to_string());
    }

    #[test]
    fn no_cell_ends_its_literal(bytes in proptest::collection::vec(any::<u8>(), 0..64), form in 0usize..8) {
        use ColumnForm::{Bytes, Float, Geometry, Literal, Member, Number, Temporal, Text};
        let form = [Bytes, Text, Number, Float, Temporal, Member, Literal, Geometry][form];
        let literal = literal_of(&bytes, form, "utf8mb4");
        // Between the outer quotes every quote follows an odd number of backslashes.
        if let (Some(first), Some(inner)) = (literal.find('\''), literal.strip_suffix('\'')) {
            let mut is_escaped = false;
            for c in inner[first + 1..].chars() {
                prop_assert!(c != '\'' || is_escaped, "{}", literal);
                is_escaped = c == '\\' && !is_escaped;
            }
            prop_assert!(!is_escaped, "{}", literal);
        } else {
            prop_assert!(literal.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'.' | b'e')), "{}", literal);
        }
    }
}
