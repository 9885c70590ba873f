//! Reads the paths out of Rust text: enough of the grammar to know what a file names.

/// A word or a mark of the text, without comments and literals.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Colons,
    Mark(char),
}

/// The tokens of the text. Comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let length = if let Some(length) = skipped(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        } else if rest.starts_with("::") {
            tokens.push(Token::Colons);
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Mark(first));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// How long the comment or literal is with which the text begins, if it does.
fn skipped(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    // r#word is a word; r"…", br"…", r#"…"# are strings.
    for prefix in ["br", "r"] {
        if let Some(raw) = text.strip_prefix(prefix) {
            let hashes = raw.len() - raw.trim_start_matches('#').len();
            if raw[hashes..].starts_with('"') {
                let (start, end) = (prefix.len() + hashes + 1, format!("\"{}", "#".repeat(hashes)));
                let length = text[start..].find(&end).map(|at| start + at + end.len());
                return Some(length.unwrap_or(text.len()));
            }
            if hashes == 1 && prefix == "r" {
                return Some(2);
            }
        }
    }
    let text_start = if text.starts_with("b\"") || text.starts_with("b'") { 1 } else { 0 };
    match text[text_start..].chars().next()? {
        '"' => Some(text_start + quoted(&text[text_start..], '"')),
        '\'' => {
            // 'a' and '\n' are characters; 'a without an end is a lifetime.
            let name = &text[text_start + 1..];
            let mut inside = name.chars();
            let character = inside.next()? == '\\' || inside.next() == Some('\'');
            let lifetime = name.find(|c: char| !c.is_alphanumeric() && c != '_');
            let lifetime = 1 + lifetime.unwrap_or(name.len());
            let length = if character { quoted(&text[text_start..], '\'') } else { lifetime };
            Some(text_start + length)
        }
        _ => None,
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of a literal up to the mark that ends it.
fn quoted(text: &str, mark: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == mark {
            return at + 1;
        }
    }
    text.len()
}

/// Every path in the text of the module `module`, such as `["domain", "key"]`. Groups are
/// taken apart; paths of this crate begin with `crate`.
pub(crate) fn paths(text: &str, module: &[&str]) -> Vec<Vec<String>> {
    let tokens = tokens(text);
    let mut module: Vec<String> = module.iter().map(|part| (*part).to_owned()).collect();
    let (mut paths, mut at) = (Vec::new(), 0);
    // How deep in braces each module that is written inside this text began.
    let (mut depth, mut inner) = (0, Vec::new());
    while let Some(token) = tokens.get(at) {
        match (token, tokens.get(at + 1), tokens.get(at + 2)) {
            (Token::Word(word), Some(Token::Word(name)), Some(Token::Mark('{')))
                if word == "mod" =>
            {
                module.push(name.clone());
                inner.push(depth);
                depth += 1;
                at += 3;
            }
            (Token::Word(_), ..) => {
                let mut found = Vec::new();
                at = path(&tokens, at, &mut Vec::new(), &mut found);
                paths.extend(found.into_iter().map(|path| absolute(path, &module)));
            }
            (Token::Mark(mark), ..) => {
                match mark {
                    '{' => depth += 1,
                    '}' => {
                        depth -= 1;
                        if inner.last() == Some(&depth) {
                            inner.pop();
                            module.pop();
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            (Token::Colons, ..) => at += 1,
        }
    }
    paths
}

/// Whether a path may begin after this word, but not with it.
fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 14] = [
        "use", "as", "in", "dyn", "impl", "for", "mut", "return", "where", "if", "else", "match",
        "const", "let",
    ];
    KEYWORDS.contains(&word)
}

/// Reads one path, or the tree of a group, and gives the place after it.
fn path(
    tokens: &[Token],
    mut at: usize,
    before: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    let length = before.len();
    loop {
        match tokens.get(at) {
            // `use ::a` and `dyn ::a` are a word and a path.
            Some(Token::Word(word)) if before.len() == length && is_keyword(word) => {
                before.push(word.clone());
                at += 1;
                break;
            }
            Some(Token::Word(word)) => before.push(word.clone()),
            Some(Token::Mark('*')) if !before.is_empty() => before.push("*".to_owned()),
            Some(Token::Mark('{')) if !before.is_empty() => {
                at = group(tokens, at + 1, before, found);
                before.truncate(length);
                return at;
            }
            _ => break,
        }
        at += 1;
        if tokens.get(at) != Some(&Token::Colons) {
            break;
        }
        at += 1;
    }
    found.push(before.clone());
    before.truncate(length);
    at
}

fn group(
    tokens: &[Token],
    mut at: usize,
    before: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Mark('}') => return at + 1,
            Token::Mark('*') | Token::Word(_) => at = path(tokens, at, before, found),
            _ => at += 1,
        }
    }
    at
}

/// The path from the root of the crate, for one that begins in it.
fn absolute(path: Vec<String>, module: &[String]) -> Vec<String> {
    let own = || std::iter::once("crate".to_owned()).chain(module.iter().cloned());
    match path.first().map(String::as_str) {
        Some("keyward") => {
            std::iter::once("crate".to_owned()).chain(path.into_iter().skip(1)).collect()
        }
        Some("self") if path.len() > 1 => own().chain(path.into_iter().skip(1)).collect(),
        Some("super") => {
            let up = path.iter().take_while(|part| *part == "super").count();
            let depth = (module.len() + 1).saturating_sub(up).max(1);
            own().take(depth).chain(path.into_iter().skip(up)).collect()
        }
        _ => path,
    }
}
