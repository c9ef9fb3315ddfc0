//! Files of the field's handbooks, put into a mesh as they are, act as the handbooks say: those that concern traffic
//! and access. (17 and 18, of hosts outside, are in `hosts/handbook.rs`.)

mod caller;
mod canaries;
mod counters;
mod ejections;
mod faults;
mod gateways;
mod ground;
mod limits;
mod policies;
mod roles;

use anyhow::{Result, ensure};
use ripstop_e2e::handbook::Handbook;
use ripstop_world::World;

/// Files 01, 03, 04, 07, 08, 14 to 16, 25, 26, 35 and 36, in one mesh: what takes long goes on beside the rest.
#[test]
fn requests_go_where_handbooks_send_them() -> Result<()> {
    let Some(handbook) = Handbook::find() else { return Ok(()) };
    ground::traffic()?.tell(|world| {
        let ejected = ejections::three_errors_eject(world, &handbook)?;
        let faults = faults::delays_and_aborts(world, &handbook)?;
        let burst = limits::a_burst_finds_the_breaker(world, &handbook)?;
        canaries::one_in_ten_goes_to_the_next_version(world, &handbook)?;
        faults::a_shadow_gets_copies(world, &handbook)?;
        burst.gets_refusals(world)?;
        ejections::five_errors_eject(world, &handbook)?;
        let slow = canaries::reviews_are_balanced_and_tried_again(world, &handbook)?;
        gateways::hosts_are_reached_from_the_machine(world, &handbook)?;
        slow.gets_no_answer()?;
        faults.get_what_was_drawn(world)?;
        ejected.comes_back_and_is_ejected_for_longer(world)?;
        no_file_has_errors(world)
    })
}

/// Files 01, 07, 08, 14, 15, 25 to 27, 35 and 36 where a gateway calls, not a workload's node.
#[test]
fn gateways_do_what_handbooks_say() -> Result<()> {
    let Some(handbook) = Handbook::find() else { return Ok(()) };
    ground::traffic()?.tell(|world| roles::files_act_at_a_gateway(world, &handbook))
}

/// The same behind waypoints.
#[test]
fn waypoints_do_what_handbooks_say() -> Result<()> {
    let Some(handbook) = Handbook::find() else { return Ok(()) };
    ground::traffic()?.tell(|world| roles::files_act_at_waypoints(world, &handbook))
}

/// The same for callers with sidecars.
#[test]
fn sidecars_do_what_handbooks_say() -> Result<()> {
    let Some(handbook) = Handbook::find() else { return Ok(()) };
    ground::traffic()?.tell(|world| roles::files_act_at_sidecars(world, &handbook))
}

/// Files 06, 10, 11-12, 22, 23 and 27, in one mesh.
#[test]
fn handbooks_say_who_may_call() -> Result<()> {
    let Some(handbook) = Handbook::find() else { return Ok(()) };
    ground::access()?.tell(|world| {
        let mut ejected = ejections::each_field_of_outliers_acts(world, &handbook)?;
        policies::callers_are_let_in_by_identity_and_request(world, &handbook)?;
        policies::nobody_else_is_let_in(world, &handbook)?;
        ejected.comes_back()?;
        no_file_has_errors(world)
    })
}

/// Whatever they lacked is there in the end.
fn no_file_has_errors(world: &World) -> Result<()> {
    let findings = world.cli(&["get", "findings"])?;
    ensure!(!findings.lines().any(|line| line.contains(": error ")), "{findings}");
    Ok(())
}
