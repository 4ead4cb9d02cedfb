//! What an HTTP call is. The router and the OpenAPI document are made of the same calls, so neither
//! has one that the other does not.

use std::convert::Infallible;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::state::AppState;

/// The media type of JSON.
pub const JSON: &str = "application/json";

/// Makes a type's schema; the generator collects those that it refers to.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Who may make a call on a server with auth. Without auth everybody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody, without a token.
    Anyone,
    /// Whoever has an invite of the room.
    Viewer,
    /// An editor or owner of the room.
    Editor,
    /// An owner of the room.
    Owner,
    /// The operator.
    Operator,
}

/// What a request or an answer carries.
#[derive(Clone)]
pub struct Content {
    /// Its media type.
    pub media_type: &'static str,
    /// Its schema, where it is JSON or text.
    pub schema: Option<SchemaOf>,
    /// One of them.
    pub example: Option<Value>,
}

/// An answer that is no refusal.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What it says.
    pub description: &'static str,
    /// One for each media type that it may have; none for an answer without a body.
    pub contents: Vec<Content>,
    /// Headers worth reading, and what they say.
    pub headers: Vec<(&'static str, &'static str)>,
}

/// An HTTP call: where it is, what answers it, and how that is described.
pub struct Call {
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// The method.
    pub method: Method,
    /// What answers it.
    pub route: MethodRouter<AppState>,
    /// Its name in generated clients.
    pub id: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Who may.
    pub who: Who,
    /// The schema of its query, an object of texts and numbers.
    pub query: Option<SchemaOf>,
    /// What it is sent, one for each media type that it takes.
    pub body: Vec<Content>,
    /// What it answers.
    pub answers: Vec<Answer>,
}

impl Call {
    /// A call for everybody, answered by `handler`.
    pub fn new<H, T>(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let route: MethodRouter<AppState, Infallible> = on(filter_of(&method), handler);
        Self {
            path,
            method,
            route,
            id,
            summary,
            who: Who::Anyone,
            query: None,
            body: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// A `GET`.
    pub fn get<H, T>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        Self::new(Method::GET, path, id, summary, handler)
    }

    /// A `POST`.
    pub fn post<H, T>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        Self::new(Method::POST, path, id, summary, handler)
    }

    /// Who may make it.
    #[must_use]
    pub fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    /// Its query is a `T`.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(T::json_schema);
        self
    }

    /// It is sent a `T` as JSON, of so many bytes at most.
    #[must_use]
    pub fn json<T: JsonSchema>(mut self, most_bytes: usize, example: Value) -> Self {
        self.route = self.route.layer(DefaultBodyLimit::max(most_bytes));
        self.takes_json::<T>(example)
    }

    /// It is sent a `T` as JSON, whose length its handler judges.
    #[must_use]
    pub fn takes_json<T: JsonSchema>(mut self, example: Value) -> Self {
        self.body.push(Content {
            media_type: JSON,
            schema: Some(schema_of::<T>),
            example: Some(example),
        });
        self
    }

    /// It is sent a file of one of these types.
    #[must_use]
    pub fn takes_files(mut self, media_types: &[&'static str]) -> Self {
        self.body.extend(files(media_types));
        self
    }

    /// It answers a `T` as JSON.
    #[must_use]
    pub fn answers<T: JsonSchema>(
        self,
        status: u16,
        description: &'static str,
        example: Value,
    ) -> Self {
        let content = Content {
            media_type: JSON,
            schema: Some(schema_of::<T>),
            example: Some(example),
        };
        self.answer(status, description, vec![content])
    }

    /// It answers a file of one of these types.
    #[must_use]
    pub fn answers_files(
        self,
        status: u16,
        description: &'static str,
        media_types: &[&'static str],
    ) -> Self {
        self.answer(status, description, files(media_types).collect())
    }

    /// It answers without a body.
    #[must_use]
    pub fn answers_nothing(self, status: u16, description: &'static str) -> Self {
        self.answer(status, description, Vec::new())
    }

    /// Its last answer has this header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, description: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, description));
        }
        self
    }

    fn answer(mut self, status: u16, description: &'static str, contents: Vec<Content>) -> Self {
        self.answers.push(Answer {
            status,
            description,
            contents,
            headers: Vec::new(),
        });
        self
    }
}

fn files(media_types: &[&'static str]) -> impl Iterator<Item = Content> {
    media_types.iter().map(|media_type| Content {
        media_type,
        schema: None,
        example: None,
    })
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// `GET` answers `HEAD` as well, as with axum's own `get`.
fn filter_of(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET)
}
