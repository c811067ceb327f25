//! Boot arguments that make the kernel run exactly the cases that are wanted.

use anyvisor_abi::case::Needs;
use anyvisor_monitor::image::CaseInfo;

/// The kernel's table.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [CaseInfo]);

impl<'a> Table<'a> {
    /// The arguments for `wanted`, which are places in the table, in order: one case that ends
    /// the machine, or any of the others.
    ///
    /// ```text
    ///   (nothing)     all that do not end the machine
    ///   case=a.b      this one
    ///   after=a.b     all behind this one
    ///   only=c0f      those whose bit is 1
    /// ```
    pub fn arguments(&self, wanted: &[usize]) -> String {
        let together: Vec<usize> = (0..self.0.len())
            .filter(|&place| !self.0[place].needs.contains(Needs::ENDS_VM))
            .collect();
        let before = together.len().saturating_sub(wanted.len());
        if let [one] = wanted {
            format!("case={}", self.0[*one].name)
        } else if together == wanted {
            String::new()
        } else if before > 0 && together[before..] == *wanted {
            format!("after={}", self.0[together[before - 1]].name)
        } else {
            let mut digits = vec![0; wanted.last().map_or(1, |last| last / 4 + 1)];
            for place in wanted {
                digits[place / 4] |= 8 >> (place % 4);
            }
            let digits = digits.iter().map(|&digit| char::from_digit(digit, 16).unwrap_or('0'));
            format!("only={}", digits.collect::<String>())
        }
    }

    /// The cases at `places`.
    pub fn cases(&self, places: &[usize]) -> Vec<&'a CaseInfo> {
        places.iter().map(|&place| &self.0[place]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_has_its_arguments() {
        let case = |(name, needs): (&str, Needs)| CaseInfo {
            name: name.into(),
            claim: String::new(),
            reference: String::new(),
            needs,
            lesson: String::new(),
        };
        let (any, off) = (Needs::NONE, Needs::ENDS_VM);
        let rows = [("a", any), ("b", any), ("c", off), ("d", any), ("e", any), ("f", any)];
        let cases: Vec<CaseInfo> = rows.into_iter().map(case).collect();
        let table = Table(&cases);
        assert_eq!(table.arguments(&[0, 1, 3, 4, 5]), "");
        assert_eq!(table.arguments(&[3, 4, 5]), "after=b");
        assert_eq!(table.arguments(&[4, 5]), "after=d");
        assert_eq!(table.arguments(&[2]), "case=c");
        assert_eq!(table.arguments(&[5]), "case=f");
        // 1101 10
        assert_eq!(table.arguments(&[0, 1, 3, 4]), "only=d8");
        assert_eq!(table.arguments(&[0, 5]), "only=84");
        assert_eq!(table.arguments(&[1, 3]), "only=5");
    }
}
