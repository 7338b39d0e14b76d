//! The subcommands for lists, on good and on every kind of bad input.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

fn tacit() -> Command {
    Command::cargo_bin("tacit").unwrap()
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

/// A directory with one file in it.
struct Fixture {
    directory: tempfile::TempDir,
    path: PathBuf,
}

fn file(name: &str, bytes: impl AsRef<[u8]>) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    Fixture { directory, path }
}

/// `tacit check` refuses the file with exit code 2, this message and a hint.
#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, message: &str) {
    let fixture = file("list.csv", bytes);
    tacit()
        .args(["check"])
        .arg(&fixture.path)
        .assert()
        .code(2)
        .stderr(
            contains(message)
                .and(contains("hint:"))
                .and(contains("panicked").not())
                .and(contains("failed by itself").not()),
        );
    assert_eq!(
        fs::read_dir(fixture.directory.path()).unwrap().count(),
        1,
        "nothing was written"
    );
}

#[test]
fn a_missing_file_is_named() {
    tacit()
        .args(["check", "no-such-list.csv"])
        .assert()
        .code(2)
        .stderr(contains("no-such-list.csv").and(contains("hint:")));
}

#[test]
fn a_directory_is_no_list() {
    let directory = tempfile::tempdir().unwrap();
    tacit()
        .arg("check")
        .arg(directory.path())
        .assert()
        .code(2)
        .stderr(contains("not a file"));
}

#[test]
fn files_that_are_no_lists_are_refused() {
    refused("", "the file is empty");
    refused("\n \n\n", "the file is empty");
    refused("id,surname,name,dob\n", "no rows");
    refused("id,surname,name,dob\n,,,\n", "no rows");
    refused(b"id,surname\n1,\x00\x01\x02\n", "zero bytes");
    refused(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF");
    refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel");
    refused(b"PK\x03\x04 but no workbook", "workbook");
}

#[test]
fn a_workbook_whose_cell_is_beyond_all_columns_is_refused_without_a_panic() {
    refused(
        include_bytes!("../vectors/cell-out-of-range.xlsx"),
        "workbook",
    );
}

#[test]
fn latin_1_is_refused_with_the_way_out() {
    refused(
        b"id,nom,pr\xe9nom,dob\n1,Lef\xe8vre,Ren\xe9,1990-01-02\n",
        "Latin-1",
    );
}

#[test]
fn a_list_without_a_needed_column_shows_its_headers_and_the_way_out() {
    refused(
        "id,surname,name\n1,Бойко,Іван\n",
        "no column for date_of_birth",
    );
    refused(
        "id,name,dob\n1,Іван,1990-02-03\n",
        "no column for family_name",
    );
    refused(
        "surname,name,dob\nБойко,Іван,1990-02-03\n",
        "no column for record_id",
    );
    refused("a,b,c\n1,2,3\n", "\"a\", \"b\", \"c\"");
    refused(
        "id,surname,Фамилия,name,dob\n1,a,b,c,1990\n",
        "two columns could be family_name",
    );
    let fixture = file("list.csv", "id,surname,name\n1,Бойко,Іван\n");
    tacit()
        .arg("check")
        .arg(&fixture.path)
        .assert()
        .code(2)
        .stderr(contains("--column"));
}

#[test]
fn a_column_can_be_mapped_by_hand() {
    let fixture = file(
        "list.csv",
        "Kennung,Nachname,Rufname,geb\n1,Бойко,Іван,1990-02-03\n",
    );
    let mapped = [
        "record_id=Kennung",
        "family_name=Nachname",
        "given_name=Rufname",
        "date_of_birth=geb",
    ];
    let mut command = tacit();
    command.arg("check").arg(&fixture.path);
    for column in mapped {
        command.args(["--column", column]);
    }
    command.assert().code(0).stdout(contains("N2"));
    tacit()
        .arg("check")
        .arg(&fixture.path)
        .args(["--column", "family_name=Name"])
        .assert()
        .code(2)
        .stderr(contains("no column is headed"));
    tacit()
        .arg("check")
        .arg(&fixture.path)
        .args(["--column", "colour=Name"])
        .assert()
        .code(2)
        .stderr(contains("no field"));
}

#[test]
fn a_field_of_ten_megabytes_ends_the_reading_with_its_place() {
    let mut bytes = b"id,surname,name,dob\n1,A,B,1990\n2,\"".to_vec();
    bytes.resize(10 * 1024 * 1024, b'x');
    refused(bytes, "line 3, column 2: a field is longer than 64 KiB");
    let mut bytes = b"{\"record_id\":\"1\",\"family_name\":\"".to_vec();
    bytes.resize(10 * 1024 * 1024, b'x');
    refused(bytes, "longer than 64 KiB");
}

#[test]
fn bad_rows_are_reported_by_line_and_column_and_exit_with_2() {
    let fixture = file(
        "list.csv",
        "id,surname,name,dob,sex,document number,tax id\n\
         1,Бойко,Іван,завтра,m,,\n\
         2,Бойко,Іван,2050-01-01,m,,\n\
         3,Бойко,Іван,2020-01-01,m,,\n\
         4,Бойко,Іван,1911-01-01,m,,\n\
         5,,Іван,1990-02-03,m,,\n\
         6,Б0йко,Іван,1990-02-03,m,,\n\
         7,김,Іван,1990-02-03,m,,\n\
         7,Мельник,Петро,1990-02-05,m,,\n\
         8,Мельник,Петро\n\
         9,Коваль,Юрій,,m,,\n\
         10,Коваль,Юрій,1990-02-03,m,123,\n\
         11,Ткач,Юрій,1990-02-03,m,,3457142191\n\
         12,Ткач,Юрій,1991-02-03,m,000000000,\n",
    );
    let assert = tacit()
        .arg("check")
        .arg(&fixture.path)
        .arg("--json")
        .assert()
        .code(2);
    let report: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let issue = |line: u64, code: &str| {
        let row = report["rows"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["line"] == line)
            .unwrap();
        let issue = row["issues"]
            .as_array()
            .unwrap()
            .iter()
            .find(|issue| issue["code"] == code);
        issue.unwrap_or_else(|| panic!("line {line} has no {code}: {}", row["issues"]))["column"]
            .clone()
    };
    assert_eq!(issue(2, "date_unreadable"), "date_of_birth");
    assert_eq!(issue(3, "date_in_future"), "date_of_birth");
    assert_eq!(issue(4, "age_under_14"), "date_of_birth");
    assert_eq!(issue(5, "age_over_100"), "date_of_birth");
    assert_eq!(issue(6, "family_name_missing"), "family_name");
    assert_eq!(issue(7, "digit_in_name"), "family_name");
    assert_eq!(issue(8, "unknown_script"), "family_name");
    assert_eq!(issue(9, "record_id_twice"), "record_id");
    assert_eq!(issue(10, "column_count"), serde_json::Value::Null);
    assert_eq!(issue(11, "no_usable_key"), serde_json::Value::Null);
    assert_eq!(issue(12, "number_too_short"), "document_number");
    assert_eq!(issue(13, "check_digit_wrong"), "tax_id");
    assert_eq!(issue(14, "number_placeholder"), "document_number");
    assert_eq!(report["summary"]["rows"], 13);
    assert_eq!(report["summary"]["rows_with_errors"], 13);
    assert_eq!(
        report["summary"]["used"], 3,
        "a bad number does not leave the person out"
    );
}

#[test]
fn a_cell_in_another_encoding_is_a_bad_row_not_a_bad_file() {
    let good = "1,Бойко,Іван,1990-02-03\n2,Мельник,Петро,1991-02-03\n3,Коваль,Юрій,1992-02-03\n";
    let bytes = [
        b"id,surname,name,dob\n",
        good.as_bytes(),
        b"4,\xc1\xee\xe9\xea\xee,X,1990-02-03\n",
    ]
    .concat();
    let fixture = file("list.csv", bytes);
    tacit()
        .arg("check")
        .arg(&fixture.path)
        .assert()
        .code(2)
        .stdout(contains("line 5").and(contains("encoding of the file")));
}

#[test]
fn warnings_alone_exit_with_7_and_a_clean_list_with_0() {
    tacit()
        .arg("check")
        .arg(sample("requested-a.csv"))
        .assert()
        .code(7)
        .stdout(contains("date_of_birth: the date is not complete"));
    let clean = file(
        "list.csv",
        "id;Прізвище;Ім'я;Дата народження\n1;Бойко;Іван;03.02.1990\n",
    );
    tacit()
        .arg("check")
        .arg(&clean.path)
        .assert()
        .code(0)
        .stdout(contains("1 rows: 1 used, 0 with errors"));
}

#[test]
fn one_list_reads_the_same_in_every_format_and_encoding() {
    let text = "id;Прізвище;Ім'я;По батькові;Дата народження;Паспорт\n1;Ґудзь;Їлля;Юрійович;03.02.1990;АВ 482915\n2;Щербань;Єва;Ігорівна;14.05.1991;\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let windows = encoding_rs::WINDOWS_1251.encode(text).0.into_owned();
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    let mut lines = String::new();
    let date = rust_xlsxwriter::Format::new().set_num_format("dd.mm.yyyy");
    let header: Vec<&str> = text.lines().next().unwrap().split(';').collect();
    for (row, line) in (0_u32..).zip(text.lines()) {
        let mut object = serde_json::Map::new();
        for (column, cell) in (0_u16..).zip(line.split(';')) {
            match (row, column) {
                (1, 4) => {
                    let day = rust_xlsxwriter::ExcelDateTime::from_ymd(1990, 2, 3).unwrap();
                    sheet
                        .write_datetime_with_format(row, column, &day, &date)
                        .unwrap();
                }
                (1.., 0) => {
                    sheet
                        .write_number(row, column, cell.parse::<f64>().unwrap())
                        .unwrap();
                }
                _ => {
                    sheet.write_string(row, column, cell).unwrap();
                }
            }
            object.insert(header[usize::from(column)].to_owned(), cell.into());
        }
        if row > 0 {
            lines.push_str(&format!("{}\n", serde_json::Value::Object(object)));
        }
    }
    let readings = |bytes: &[u8]| {
        let fixture = file("list", bytes);
        let assert = tacit()
            .arg("check")
            .arg(&fixture.path)
            .arg("--json")
            .assert()
            .code(0);
        let report: serde_json::Value =
            serde_json::from_slice(&assert.get_output().stdout).unwrap();
        let mut rows = report["rows"].clone();
        for row in rows.as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("line");
        }
        assert_eq!(rows.as_array().unwrap().len(), 2);
        rows
    };
    let expected = readings(text.as_bytes());
    for bytes in [
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        text.replace(';', ",").into_bytes(),
        text.replace(';', "\t").replace('\n', "\r\n").into_bytes(),
        [b"\xff\xfe", &utf16[..]].concat(),
        windows,
        workbook.save_to_buffer().unwrap(),
        lines.into_bytes(),
    ] {
        assert_eq!(readings(&bytes), expected);
    }
}

#[test]
fn json_lines_that_are_no_objects_are_bad_rows() {
    let lines = "{\"id\":1,\"surname\":\"Бойко\",\"name\":\"Іван\",\"dob\":\"1990-02-03\"}\n[1,2]\n{\"id\":2,\"surname\":[\"x\"]}\n";
    let fixture = file("list.jsonl", lines);
    tacit()
        .arg("check")
        .arg(&fixture.path)
        .assert()
        .code(2)
        .stdout(
            contains("not a JSON object")
                .and(contains("neither text nor number"))
                .and(contains("JSON lines, UTF-8")),
        );
}

#[test]
fn explain_says_which_keys_meet_and_what_differs() {
    let name = |file: &str, line: u32| format!("{}:{line}", sample(file).display());
    tacit()
        .args([
            "explain",
            &name("requested-a.csv", 2),
            &name("held-b.csv", 2),
        ])
        .assert()
        .code(0)
        .stdout(contains("strong with the narrow class alone"));
    let assert = tacit()
        .args([
            "explain",
            &name("requested-a.csv", 6),
            &name("held-b.csv", 6),
            "--json",
        ])
        .assert()
        .code(0);
    let answer: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(answer["answer"]["narrow"], "none");
    assert_eq!(answer["answer"]["both"], "possible");
    tacit()
        .args(["explain", &name("held-a.csv", 99), &name("held-b.csv", 2)])
        .assert()
        .code(2)
        .stderr(contains("no row begins on line 99"));
    tacit()
        .args(["explain", "held-a.csv", "x"])
        .assert()
        .code(2)
        .stderr(contains("FILE:LINE"));
}

#[test]
fn schema_prints_the_digest_that_both_sides_need() {
    let assert = tacit()
        .args(["schema", "persons-v1", "--json"])
        .assert()
        .code(0);
    let schema: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(schema["digest"].as_str().unwrap().len(), 64);
    assert_eq!(schema["keys"].as_array().unwrap().len(), 11);
    tacit()
        .args(["schema", "persons-v0"])
        .assert()
        .code(2)
        .stderr(contains("persons-v1"));
}

#[test]
fn bench_matching_measures_against_a_truth_file() {
    let mut truth = tempfile::NamedTempFile::new().unwrap();
    truth
        .write_all(b"held_id,requested_id\nHB-001,RA-01\nHB-002,RA-02\nHB-005,RA-05\n")
        .unwrap();
    let bench = |truth: &Path| {
        let mut command = tacit();
        command
            .args(["bench", "matching", "--json", "--held"])
            .arg(sample("held-b.csv"));
        command
            .arg("--requested")
            .arg(sample("requested-a.csv"))
            .arg("--truth")
            .arg(truth);
        command
    };
    let assert = bench(truth.path()).assert().code(0);
    let figures: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    for name in ["strong", "all", "narrow"] {
        assert!(
            figures[name]["recall"].is_number() && figures[name]["false"].is_number(),
            "{name}"
        );
    }
    assert_eq!(figures["all"]["recall"], 1.0);
    assert!(figures["elements_per_person"].is_number());
    bench(&sample("held-b.csv"))
        .assert()
        .code(2)
        .stderr(contains("truth file"));
}

#[test]
fn help_of_every_list_subcommand_has_an_example() {
    for arguments in [
        &["check"][..],
        &["explain"],
        &["schema"],
        &["bench", "matching"],
    ] {
        tacit()
            .args(arguments)
            .arg("--help")
            .assert()
            .code(0)
            .stdout(contains("Example"));
    }
}
