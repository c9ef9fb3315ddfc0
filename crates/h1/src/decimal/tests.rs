use super::*;

#[test]
fn numbers_as_the_standard_library_writes_them() {
    for number in [0, 1, 9, 10, 99, 100, 599, 1_234_567_890, u64::MAX - 1, u64::MAX] {
        assert_eq!(Decimal::new(number).as_bytes(), number.to_string().as_bytes());
    }
}
