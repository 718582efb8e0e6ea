//! The words that invented people, streets and notes are made of.

pub(super) const FIRST: &[&str] = &[
    "Anna",
    "James",
    "María",
    "Zoë",
    "Łukasz",
    "Søren",
    "Chloé",
    "Robert",
    "Mary",
    "Đặng",
    "Jürgen",
    "Aoife",
    "Noah",
    "Olivia",
    "İpek",
    "John",
    "美咲",
    "Пётр",
    "Ava",
    "Liam",
    "Françoise",
    "Emma",
    "Lucas",
    "Mia",
];

pub(super) const LAST: &[&str] = &[
    "Adams",
    "O'Brien",
    "Müller",
    "García",
    "Nguyễn",
    "Smith",
    "D'Angelo",
    "Kowalski",
    "Johansson",
    "Brown",
    "Fernández-López",
    "Yılmaz",
    "Wilson",
    "Østergaard",
    "Clark",
    "佐藤",
    "Иванова",
    "Lee",
    "Davis",
    "Evans",
];

pub(super) const STREETS: &[&str] =
    &["Maple St", "2nd Ave", "Oak \\ Elm", "King's Rd", "Rue de l'Église", "Hauptstraße", "Main St"];

pub(super) const NOTES: &[&str] = &[
    "patient reports sensitivity to cold",
    "recall in 6 months",
    "took BWX, no caries visible",
    "said \"it doesn't hurt any more\"",
    "allergic to penicillin; see chart",
    "moved; new phone on file",
    "payment plan agreed\nfirst rate paid",
    "insurance pending, claim sent",
    "crown prep #14, shade A2, temp cemented",
    "50% discount for family",
    "path C:\\Images\\old imported",
    "prophy, fluoride, oral hygiene instruction",
];

pub(super) const ACTIONS: &[&str] = &[
    "Patient Edit",
    "Appointment Create",
    "Appointment Move",
    "Procedure Complete",
    "Chart Module",
    "Payment Create",
    "Image Edit",
    "User logged on",
];

pub(super) const SURFACES: &[&str] = &["M", "O", "D", "MOD", "B", "L", ""];
