//! `tacit id`: who this node is, as an id to send and eight words to read aloud.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::home::{self, HomeArgs, Identity};
use pairing::NodeId;

/// Print this node's id and the eight words for it; make its key on first use
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct IdArgs {
    #[command(flatten)]
    pub home: HomeArgs,

    /// The id you were sent: print the words for it instead, to compare over the telephone
    #[arg(value_name = "ID", conflicts_with_all = ["home", "no_passphrase", "passphrase_file"])]
    pub other: Option<NodeId>,

    /// Print JSON: id, words, and of this node key_file, sealed, created
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tacit id                                  your id and words; asks for a passphrase the first time
  tacit id --home /srv/tacit --passphrase-file /run/secrets/tacit
  tacit id tacit132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawqpd0ezw
                                            the words for an id that you were sent

Exit code: 0 done; 1 the key cannot be made or opened; 2 the command line must say more.";

/// Why the id was not printed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Home(#[from] home::Error),
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The process's exit code, as the help lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Home(e) => e.exit_code(),
            Error::Output(_) => 1,
        }
    }
}

#[derive(Serialize)]
struct Answer {
    id: String,
    words: [&'static str; 8],
    #[serde(flatten)]
    own: Option<Own>,
}

#[derive(Serialize)]
struct Own {
    key_file: String,
    sealed: bool,
    created: bool,
}

/// Runs the subcommand; the answer goes to `out`, notes and questions to the terminal.
///
/// # Errors
///
/// When the key cannot be made or read, or `out` not be written.
pub fn run(args: &IdArgs, out: &mut impl Write) -> Result<(), Error> {
    let (id, own) = match args.other {
        Some(id) => (id, None),
        None => {
            let identity = args.home.load_or_create()?;
            (identity.id, Some(identity))
        }
    };
    if let Some(identity) = own.as_ref().filter(|identity| identity.created) {
        tell_made(identity);
    }
    if args.json {
        write_json(id, own, out)?;
    } else {
        match own {
            Some(_) => write_own(id, out)?,
            None => write_other(id, out)?,
        }
    }
    Ok(out.flush()?)
}

fn tell_made(identity: &Identity) {
    let file = identity.key_file.display();
    if identity.sealed {
        eprintln!(
            "Made this node's key: {file}, sealed under the passphrase.\n\
             Keep a copy of the file, and the passphrase somewhere else. If either is lost, make a \
             new key and pair again.\n"
        );
    } else {
        eprintln!(
            "Made this node's key: {file}, not sealed.\n\
             Whoever can read this file, or a copy of it, can pass for this node.\n"
        );
    }
}

fn write_json(id: NodeId, own: Option<Identity>, out: &mut impl Write) -> io::Result<()> {
    let answer = Answer {
        id: id.to_string(),
        words: id.words(),
        own: own.map(|identity| Own {
            key_file: identity.key_file.display().to_string(),
            sealed: identity.sealed,
            created: identity.created,
        }),
    };
    serde_json::to_writer_pretty(&mut *out, &answer)?;
    writeln!(out)
}

fn write_own(id: NodeId, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "This node's id:\n\n  {id}\n")?;
    writeln!(out, "The eight words for it:\n")?;
    write_words(id, out)?;
    writeln!(
        out,
        "\nTo pair with another delegation:\n\
         \x20 1. Send them the id, by any means.\n\
         \x20 2. Telephone somebody there whose voice you know. They run tacit id with the id that\n\
         \x20    reached them, and read you the words they see. All eight must be the ones above, in\n\
         \x20    this order.\n\
         \x20 3. Do the same with their id: run tacit id with it, and read the words to them.\n\
         If one word differs, stop: one of you has somebody else's id."
    )
}

fn write_other(id: NodeId, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "The eight words for {id}:\n")?;
    write_words(id, out)?;
    writeln!(
        out,
        "\nRead them over the telephone to somebody there whose voice you know. Their tacit id shows\n\
         the same eight words in the same order, or this is not their id."
    )
}

/// Two rows of four, numbered, to keep one's place while reading.
fn write_words(id: NodeId, out: &mut impl Write) -> io::Result<()> {
    for (row, words) in id.words().chunks(4).enumerate() {
        let line: String = words
            .iter()
            .enumerate()
            .map(|(column, word)| format!("  {} {word:<12}", 4 * row + column + 1))
            .collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use pairing::NodeKey;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        id: IdArgs,
    }

    const ID: &str = "tacit132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawqpd0ezw";

    #[test]
    fn words_stand_in_two_numbered_rows() {
        let mut out = Vec::new();
        write_words(NodeKey::from_seed(&[1; 32]).id(), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  1 chuck         2 presume       3 crouch        4 krypton\n\
             \x20 5 king          6 heap          7 wager         8 reflex\n"
        );
    }

    #[test]
    fn another_nodes_words_need_no_home() {
        let line = Line::parse_from(["id", "--json", ID]);
        let mut out = Vec::new();
        run(&line.id, &mut out).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(answer["id"], ID);
        assert_eq!(answer["words"][7], "reflex");
        assert_eq!(answer.get("key_file"), None);
    }

    #[test]
    fn contradictory_options_are_refused() {
        for line in [
            vec!["id", "--no-passphrase", "--passphrase-file", "f"],
            vec!["id", "--home", "d", ID],
            vec!["id", "tacit1nonsense"],
        ] {
            assert!(Line::try_parse_from(line).is_err());
        }
    }
}
