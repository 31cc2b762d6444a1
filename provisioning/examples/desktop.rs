//! Launches a desktop by hand: `desktop DATA SIDECAR up|ls|down` (a desktop of a fixed id).

use std::time::Instant;

use protocol::{DesktopId, desktop::Size, vm::UserData};
use provisioning::{
    LaunchSpec, Provisioner,
    local::{Local, LocalConfig},
};

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let target = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let local = Local::new(LocalConfig {
        data_dir: args[1].clone().into(),
        sidecar: args[2].clone().into(),
        supervisor: target.join("desktop-supervisor"),
    })
    .unwrap();
    match args[3].as_str() {
        "up" => {
            local.preflight().await.unwrap();
            let vm_id = protocol::VmId::generate();
            let t = Instant::now();
            let r = local
                .launch(&LaunchSpec {
                    vm_id: vm_id.clone(),
                    desktop_id: "dsk-00000000000000000000000000000001".parse::<DesktopId>().unwrap(),
                    generation: 1,
                    user_data: UserData {
                        vm_id,
                        edge_url: "https://127.0.0.1:1".into(),
                        ca_pem: "x".into(),
                        enrolment_token: "t".into(),
                        size: Size::DEFAULT,
                    },
                })
                .await;
            eprintln!("{r:?} {:?}", t.elapsed());
        }
        "ls" => eprintln!("{:#?}", local.observe().await.unwrap()),
        _ => {
            for vm in local.observe().await.unwrap() {
                let t = Instant::now();
                local.terminate(&vm.vm_id).await.unwrap();
                eprintln!("{:?}", t.elapsed());
            }
        }
    }
}
