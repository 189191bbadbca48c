//! Base64 (RFC 4648 §4) to bytes, strictly: one text per value.

/// Appends the bytes that `text` stands for. `None`, and a part of them appended, if it is not base64.
pub fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if padding > 2 || (padding > 0 && !text.len().is_multiple_of(4)) {
        return None;
    }
    for group in digits.as_bytes().chunks(4) {
        let bits = group.iter().try_fold(0u32, |bits, digit| Some(bits << 6 | sextet(*digit)?))? << (6 * (4 - group.len()));
        let [_, first, second, third] = bits.to_be_bytes();
        match (group.len(), second, third) {
            (4, _, _) => out.extend([first, second, third]),
            (3, _, 0) => out.extend([first, second]),
            (2, 0, 0) => out.push(first),
            _ => return None,
        }
    }
    Some(())
}

fn sextet(digit: u8) -> Option<u32> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    } as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text, &mut out).map(|()| out)
    }

    #[test]
    fn the_vectors_of_the_standard() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmE", "fooba"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Z", "Zg=", "Zh==", "Zm9=", "====", "Zm 9v", "Zm9v=", "Zg==Zg=="] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
