//! Warnings.

use crate::{
    domain::warning::{Warning, WarningCode},
    proto,
};

pub(in crate::grpc) fn warnings(warnings: Vec<Warning>) -> Vec<proto::Warning> {
    let convert = |Warning { code, field, description }| proto::Warning {
        code: warning_code(code).into(),
        field,
        description,
    };
    warnings.into_iter().map(convert).collect()
}

fn warning_code(code: WarningCode) -> proto::WarningCode {
    match code {
        WarningCode::WildcardCidr => proto::WarningCode::WildcardCidr,
        WarningCode::NoExpiry => proto::WarningCode::NoExpiry,
        WarningCode::IsolatedScope => proto::WarningCode::IsolatedScope,
        WarningCode::AdminLikeScope => proto::WarningCode::AdminLikeScope,
        WarningCode::Narrowed => proto::WarningCode::Narrowed,
        WarningCode::BoundLifted => proto::WarningCode::BoundLifted,
    }
}
