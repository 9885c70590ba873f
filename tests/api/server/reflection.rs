//! Reflection, in both versions of its protocol.

use std::collections::BTreeSet;

use keyward::config::Settings;
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};
use tonic::Code;
use tonic_reflection::pb::{v1, v1alpha};

use crate::{callers::raw::descriptors, support::Server};

/// What both versions answer, as one.
#[derive(Debug, PartialEq)]
enum Answer {
    Services(BTreeSet<String>),
    /// The file that was asked for, and perhaps those that it imports.
    Files(Vec<FileDescriptorProto>),
    Refused(i32),
}

macro_rules! ask {
    ($version:ident, $server:expr, $question:expr) => {{
        use $version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let question = match $question {
            Question::Services => MessageRequest::ListServices(String::new()),
            Question::Symbol(name) => MessageRequest::FileContainingSymbol(name.to_owned()),
            Question::File(name) => MessageRequest::FileByFilename(name.to_owned()),
        };
        let request =
            ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let mut client = ServerReflectionClient::new($server.channel().await);
        let stream = futures_util::stream::iter([request]);
        let mut answers = client.server_reflection_info(stream).await?.into_inner();
        Ok(match answers.message().await {
            Ok(answer) => match answer.unwrap().message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => {
                    Answer::Services(list.service.into_iter().map(|it| it.name).collect())
                }
                MessageResponse::FileDescriptorResponse(files) => {
                    let read = |file: &Vec<u8>| FileDescriptorProto::decode(&**file).unwrap();
                    Answer::Files(files.file_descriptor_proto.iter().map(read).collect())
                }
                MessageResponse::ErrorResponse(error) => Answer::Refused(error.error_code),
                MessageResponse::AllExtensionNumbersResponse(_) => panic!("not asked for"),
            },
            Err(status) => Answer::Refused(status.code().into()),
        })
    }};
}

#[derive(Clone, Copy)]
enum Question<'a> {
    Services,
    Symbol(&'a str),
    File(&'a str),
}

async fn ask_v1(server: &Server, question: Question<'_>) -> Result<Answer, tonic::Status> {
    ask!(v1, server, question)
}

async fn ask_v1alpha(server: &Server, question: Question<'_>) -> Result<Answer, tonic::Status> {
    ask!(v1alpha, server, question)
}

/// The answer, which is the same in both versions.
async fn ask(server: &Server, question: Question<'_>) -> Answer {
    let answer = ask_v1(server, question).await.unwrap();
    assert_eq!(ask_v1alpha(server, question).await.unwrap(), answer);
    answer
}

#[tokio::test]
async fn the_services_are_listed_and_no_credentials_are_needed_to_ask() {
    let server = Server::start().await;
    let v1 = ask_v1(&server, Question::Services).await.unwrap();
    let v1alpha = ask_v1alpha(&server, Question::Services).await.unwrap();
    for (answer, itself) in [(v1, "v1"), (v1alpha, "v1alpha")] {
        // Either version lists itself, and not the other.
        let itself = format!("grpc.reflection.{itself}.ServerReflection");
        let ours = ["keyward.v1.KeyAdmin", "keyward.v1.Introspect", "grpc.health.v1.Health"];
        let expected = ours.map(str::to_owned).into_iter().chain([itself]);
        assert_eq!(answer, Answer::Services(expected.collect()));
    }
}

#[tokio::test]
async fn every_file_and_everything_in_it_is_described() {
    let server = Server::start().await;
    let files = descriptors().file;
    assert!(files.iter().any(|file| file.name() == "google/protobuf/timestamp.proto"));
    for expected in files {
        let described = ask(&server, Question::File(expected.name())).await;
        let Answer::Files(described) = described else {
            panic!("{}: {described:?}", expected.name())
        };
        assert_eq!(described[0].name(), expected.name());
        assert_eq!(described[0].message_type, expected.message_type);
        assert_eq!(described[0].service, expected.service);
        let package = expected.package();
        let messages = expected.message_type.iter().map(DescriptorProto::name);
        let services = expected.service.iter().map(ServiceDescriptorProto::name);
        let enums = expected.enum_type.iter().map(EnumDescriptorProto::name);
        for name in messages.chain(services).chain(enums) {
            let symbol = format!("{package}.{name}");
            let found = ask(&server, Question::Symbol(&symbol)).await;
            let Answer::Files(found) = found else { panic!("{symbol}: {found:?}") };
            assert_eq!(found[0].name(), expected.name(), "{symbol}");
        }
    }
}

#[tokio::test]
async fn the_details_of_errors_are_described() {
    let server = Server::start().await;
    for name in ["ErrorInfo", "BadRequest", "RetryInfo", "PreconditionFailure"] {
        let found = ask(&server, Question::Symbol(&format!("google.rpc.{name}"))).await;
        let Answer::Files(files) = found else { panic!("{name}: {found:?}") };
        assert!(files[0].message_type.iter().any(|it| it.name() == name), "{name}");
    }
}

#[tokio::test]
async fn a_method_is_described_by_the_file_of_its_service() {
    let server = Server::start().await;
    let found = ask(&server, Question::Symbol("keyward.v1.KeyAdmin.RevokeKey")).await;
    let Answer::Files(files) = found else { panic!("{found:?}") };
    assert_eq!(files[0].name(), "keyward/v1/key_admin.proto");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::start().await;
    for question in [Question::Symbol("keyward.v1.Nothing"), Question::File("nothing.proto")] {
        assert_eq!(ask(&server, question).await, Answer::Refused(Code::NotFound.into()));
    }
}

#[tokio::test]
async fn by_a_setting_there_is_no_reflection() {
    let off = |settings: &mut Settings| settings.server.reflection = false;
    let server = Server::start_with(off).await;
    let v1 = ask_v1(&server, Question::Services).await.unwrap_err();
    let v1alpha = ask_v1alpha(&server, Question::Services).await.unwrap_err();
    for status in [v1, v1alpha] {
        crate::support::refused::<()>(Err(status), Code::Unimplemented, "UNKNOWN_METHOD");
    }
    let mut root = server.root().await;
    assert!(root.head().await > 0, "the services are served all the same");
}
