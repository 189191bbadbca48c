//! Letters, words and prices out of dice.

use super::super::dice::Dice;

/// 10 to the power of 1/2, 1/4, 1/8, …: products of them are the same on every machine, which logarithms are not.
const ROOTS_OF_TEN: [f64; 16] = [
    3.162_277_660_168_379_5,
    1.778_279_410_038_922_8,
    1.333_521_432_163_324,
    1.154_781_984_689_458_3,
    1.074_607_828_321_317_4,
    1.036_632_928_437_698,
    1.018_151_721_718_181_7,
    1.009_035_044_841_447_3,
    1.004_507_364_254_462_6,
    1.002_251_148_292_912_8,
    1.001_124_941_399_88,
    1.000_562_312_602_208_5,
    1.000_281_116_787_78,
    1.000_140_548_516_947_2,
    1.000_070_271_789_411_4,
    1.000_035_135_277_462,
];
const DECADES: [f64; 6] = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7];

/// From 100 to 100,000,000 cents, as often between 100 and 1000 as between 10,000,000 and 100,000,000.
pub fn price(dice: &mut Dice) -> u64 {
    let decade = DECADES[dice.below(DECADES.len() as u64) as usize];
    let bits = dice.next();
    let roots = ROOTS_OF_TEN.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
    roots.fold(decade, |price, (_, root)| price * root).round() as u64
}

/// `count` small letters.
pub fn letters(dice: &mut Dice, count: u64) -> String {
    let mut text = String::with_capacity(count as usize);
    let mut left = count as usize;
    while left > 0 {
        let drawn = dice.next().to_le_bytes();
        text.extend(drawn.iter().take(left).map(|byte| letter(*byte)));
        left = left.saturating_sub(drawn.len());
    }
    text
}

/// 3 to `most` letters, one in thirteen of which is `gap`.
pub fn words(dice: &mut Dice, most: u64, gap: char) -> String {
    let count = 3 + dice.below(most - 2);
    (0..count).map(|_| if dice.below(13) == 0 { gap } else { letter(dice.next() as u8) }).collect()
}

/// Letters that bring a row of `bytes` to `wanted` bytes, a fifth more or less.
pub fn padding(dice: &mut Dice, bytes: usize, wanted: usize) -> String {
    let missing = wanted.saturating_sub(bytes) as u64;
    let spread = missing.div_ceil(5);
    let count = missing - spread + dice.below(2 * spread + 1);
    letters(dice, count)
}

fn letter(byte: u8) -> char {
    char::from(b'a' + ((u16::from(byte) * 26) >> 8) as u8)
}

#[cfg(test)]
mod tests {
    use super::super::super::dice::Lane;
    use super::*;

    #[test]
    fn the_roots_are_roots() {
        let mut power = 10.0;
        for root in ROOTS_OF_TEN {
            assert!((root * root / power - 1.0_f64).abs() < 1e-14, "{root} squared is not {power}");
            power = root;
        }
    }

    #[test]
    fn prices_are_even_over_the_decades() {
        let mut dice = Dice::new(7, Lane::Bid, 0);
        let mut decades = [0; 6];
        for _ in 0..60_000 {
            let price = price(&mut dice);
            assert!((100..=100_000_000).contains(&price));
            decades[(price.min(99_999_999).ilog10() - 2) as usize] += 1;
        }
        assert!(decades.iter().all(|count| (9_500..10_500).contains(count)), "{decades:?}");
    }

    #[test]
    fn lengths_are_kept() {
        let mut dice = Dice::new(7, Lane::Bid, 0);
        assert_eq!(letters(&mut dice, 21).len(), 21);
        assert!((0..1000).all(|_| (3..=20).contains(&words(&mut dice, 20, ' ').len())));
        assert!((0..1000).all(|_| (80..=120).contains(&padding(&mut dice, 100, 200).len())));
        assert_eq!(padding(&mut dice, 300, 200), "");
    }
}
