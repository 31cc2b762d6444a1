//! VNC authentication: the viewer shows that it knows a password by encrypting a challenge with it.
//!
//! DES with a key of 56 bits protects nothing by itself: it is offered for passwords that are good for one try, on
//! connections that stay on one machine.

use des::{
    Des,
    cipher::{Block, BlockCipherEncrypt, KeyInit},
};
use subtle::ConstantTimeEq;

pub const CHALLENGE: usize = 16;

/// What is asked of a viewer.
#[derive(Clone)]
pub(super) struct Riddle {
    pub(super) challenge: [u8; CHALLENGE],
    answer: [u8; CHALLENGE],
}

impl Riddle {
    pub(super) fn new(password: &[u8; 8], challenge: [u8; CHALLENGE]) -> Self {
        Self { challenge, answer: encrypt(password, challenge) }
    }

    /// Takes the same time whatever is wrong.
    pub(super) fn is_solved_by(&self, answer: &[u8]) -> bool {
        self.answer[..].ct_eq(answer).into()
    }
}

fn encrypt(password: &[u8; 8], mut challenge: [u8; CHALLENGE]) -> [u8; CHALLENGE] {
    // The first VNC took the bits of each byte in the other order, and so do all since.
    let key = password.map(u8::reverse_bits);
    let des = Des::new(&key.into());
    for half in challenge.chunks_exact_mut(8) {
        if let Ok(block) = <&mut Block<Des>>::try_from(half) {
            des.encrypt_block(block);
        }
    }
    challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    #[test]
    fn the_standards_own_example_comes_out_with_its_bits_reversed() {
        let key: [u8; 8] = hex("133457799bbcdff1");
        let challenge = hex("0123456789abcdef0123456789abcdef");

        assert_eq!(encrypt(&key.map(u8::reverse_bits), challenge), hex("85e813540f0ab40585e813540f0ab405"));
    }

    #[test]
    fn a_conversation_that_other_programs_had_comes_out_the_same() {
        let challenge = hex("84076f040550eea9341967633b5f3855");

        assert_eq!(encrypt(b"pass1234", challenge), hex("dd96d21781a70da49443279975404dd0"));
    }

    #[test]
    fn one_wrong_bit_or_a_short_answer_solves_nothing() {
        let riddle = Riddle::new(b"pass1234", [7; CHALLENGE]);
        let right = encrypt(b"pass1234", [7; CHALLENGE]);
        assert!(riddle.is_solved_by(&right));

        for bit in 0..CHALLENGE * 8 {
            let mut wrong = right;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!riddle.is_solved_by(&wrong));
        }
        assert!(!riddle.is_solved_by(&right[..15]) && !riddle.is_solved_by(&[]));
    }
}
