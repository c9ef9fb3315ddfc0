use super::Type;

#[test]
fn plain_scalars_have_the_type_that_every_reader_sees() {
    let of = |text| Type::of(text);
    for text in ["", "~", "null", "NULL"] {
        assert_eq!(of(text), Type::Null, "{text:?}");
    }
    for (text, value) in [("true", true), ("Yes", true), ("on", true), ("y", true), ("FALSE", false), ("n", false)] {
        assert_eq!(of(text), Type::Bool(value), "{text}");
    }
    let integers = [
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("-0b101", -5),
        ("9223372036854775807", i64::MAX),
    ];
    for (text, value) in integers {
        assert_eq!(of(text), Type::Integer(value), "{text}");
    }
    for text in ["0644", "1_000", "1.0", ".5", "1.", "1e3", "-1.5E-3", ".inf", "-.INF", ".nan", "9223372036854775808"] {
        assert_eq!(of(text), Type::Number, "{text}");
    }
    for text in ["a", "1.2.3", "10.0.0.1", "1a", "0x", "0xg", "-", ".", "1e", "e3", "tRue", "2026-11-20", "--1", "1:2"]
    {
        assert_eq!(of(text), Type::Text, "{text}");
    }
}
