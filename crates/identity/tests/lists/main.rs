//! From a list's bytes to hashed identities, from the outside: published tables, a second
//! implementation, properties, the sample lists.

mod golden;
mod match_keys_second_opinion;
mod one_row;
mod properties;
mod samples;
mod transliteration;
