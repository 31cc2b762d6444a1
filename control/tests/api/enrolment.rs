//! How a VM becomes somebody, and when it is nobody any more.

use protocol::{
    error::Code,
    vm::{Assignment, EDGE_SERVER_NAME, Enrolled, server_name},
};

use crate::support::{Control, Vm, vm::certificate_of};

facts!(
    a_vm_gets_a_certificate_of_its_own_name_and_key,
    the_same_key_may_retry_and_no_other_key_may_use_the_token,
    two_keys_at_once_and_one_wins,
    a_wrong_token_opens_nothing,
    a_token_of_another_vm_opens_nothing,
    a_certificate_request_that_is_none_is_refused,
    a_vm_of_an_earlier_generation_is_nobody,
    a_vm_of_a_stopped_desktop_is_nobody,
    a_certificate_is_renewed_for_its_own_key_only,
    an_assignment_says_whom_it_serves,
    without_a_certificate_there_is_nothing_but_enrolment,
    a_report_of_another_generation_is_refused,
);

async fn launched(control: &Control, name: &str) -> Vm {
    let browser = control.user(name).await;
    let desktop: protocol::desktop::Desktop = browser.post("desktops", "{}").await.expect_status(201).json();
    control.settle().await;
    let spec = control.cloud.launched().into_iter().rfind(|spec| spec.desktop_id == desktop.id).unwrap();
    Vm::new(control.router.clone(), spec)
}

async fn a_vm_gets_a_certificate_of_its_own_name_and_key(control: Control) {
    let vm = launched(&control, "ada").await;

    let answer = vm.enrol().await.expect_status(200);

    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate_of(&answer).as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let names: Vec<String> = names.value.general_names.iter().map(|name| format!("{name:?}")).collect();
    assert_eq!(names.len(), 1, "nothing of the request but its key is taken: {names:?}");
    assert!(names[0].contains(&server_name(vm.id())) && !names[0].contains(EDGE_SERVER_NAME), "{names:?}");
    let key = rcgen::PublicKeyData::subject_public_key_info(&vm.key);
    assert_eq!(certificate.public_key().raw, key);
    let days = (answer.json::<Enrolled>().expires_at - control.app.clock.now()) / 86_400_000;
    assert!((6..=7).contains(&days), "{days} days");
}

async fn the_same_key_may_retry_and_no_other_key_may_use_the_token(control: Control) {
    let vm = launched(&control, "ada").await;
    let thief = vm.with_another_key();
    vm.enrol().await.expect_status(200);

    let refused = thief.enrol().await;

    assert!(refused.status.is_client_error(), "{}", refused.text());
    refused.problem();
    vm.enrol().await.expect_status(200);
}

async fn two_keys_at_once_and_one_wins(control: Control) {
    let vm = launched(&control, "ada").await;
    let others: Vec<Vm> = (0..6).map(|_| vm.with_another_key()).collect();

    let answers = futures_util::future::join_all(others.iter().map(Vm::enrol)).await;

    assert_eq!(answers.iter().filter(|answer| answer.status.is_success()).count(), 1);
}

async fn a_wrong_token_opens_nothing(control: Control) {
    let vm = launched(&control, "ada").await;

    for token in ["", "cbe_guess", "x\0y", &"x".repeat(10_000)] {
        let refused = vm.enrol_with(token).await;
        assert!(refused.status.is_client_error(), "{token:.20}: {}", refused.text());
        refused.problem();
    }
    vm.enrol().await.expect_status(200);
}

async fn a_token_of_another_vm_opens_nothing(control: Control) {
    let (hers, his) = (launched(&control, "ada").await, launched(&control, "bob").await);

    let refused = hers.enrol_with(&his.spec.user_data.enrolment_token).await;

    assert!(refused.status.is_client_error());
    his.enrol().await.expect_status(200);
}

async fn a_certificate_request_that_is_none_is_refused(control: Control) {
    let vm = launched(&control, "ada").await;
    let caller = control.anonymous();
    let signed_by_another = {
        let (one, other) = (vm.csr(), vm.with_another_key().csr());
        // The head of one with the tail of the other: its signature is not its key's.
        let cut = one.len() / 2;
        format!("{}{}", &one[..cut], &other[cut..])
    };

    for csr in ["", "nonsense", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"]
        .into_iter()
        .chain([signed_by_another.as_str()])
    {
        let body = serde_json::json!({
            "vm_id": vm.id(), "enrolment_token": vm.spec.user_data.enrolment_token, "csr_pem": csr,
        });
        let refused = caller.post("/vm/v1/enrol", body.to_string()).await;
        assert_eq!(refused.code(), Code::InvalidValue, "{csr:.40}");
    }
    vm.enrol().await.expect_status(200);
}

async fn a_vm_of_an_earlier_generation_is_nobody(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, old) = control.ready_desktop(&browser).await;
    browser.order(&format!("desktops/{}/reboot", desktop.id)).await.expect_success();
    control.settle().await;

    for refused in [
        old.get("assignment").await,
        old.get("work").await,
        old.report_painted().await,
        old.renew().await,
        old.enrol().await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code()), (409, Code::StaleGeneration));
    }
}

async fn a_vm_of_a_stopped_desktop_is_nobody(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();
    control.settle().await;

    for refused in [vm.get("assignment").await, vm.get("work").await, vm.renew().await, vm.enrol().await] {
        assert_eq!(refused.code(), Code::StaleGeneration, "whoever has its key now is not the VM");
    }
}

async fn a_certificate_is_renewed_for_its_own_key_only(control: Control) {
    let vm = launched(&control, "ada").await;
    vm.enrol().await.expect_status(200);

    vm.renew().await.expect_status(200);

    assert!(vm.with_another_key().renew().await.status.is_client_error());
}

async fn an_assignment_says_whom_it_serves(control: Control) {
    let vm = launched(&control, "ada").await;
    vm.enrol().await.expect_status(200);

    let assignment: Assignment = vm.get("assignment").await.expect_status(200).json();

    assert_eq!((assignment.desktop_id, assignment.generation), (vm.spec.desktop_id.clone(), 1));
    assert!(assignment.capability_key_pem.contains("PUBLIC KEY"));
}

async fn without_a_certificate_there_is_nothing_but_enrolment(control: Control) {
    let nobody = control.user("ada").await;

    for path in ["assignment", "work", "notices"] {
        assert_eq!(nobody.get(&format!("/vm/v1/{path}")).await.status, 401, "{path}");
    }
    let odd = nobody.with_header("x-cloudbot-vm", Some("vm-of-mine"));
    assert_eq!(odd.get("/vm/v1/work").await.status, 401);
}

async fn a_report_of_another_generation_is_refused(control: Control) {
    let mut vm = launched(&control, "ada").await;
    vm.enrol().await.expect_status(200);

    vm.spec.generation = 7;

    assert_eq!(vm.report_painted().await.code(), Code::StaleGeneration);
}
