//! Roles, the lock, who is removed, what is said, and who hears of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    decisions::{dab, patch},
    harness::*,
    simulation::Dice,
};
use crate::{
    canvas::Pixels,
    protocol::*,
    room::{
        RoomCommand, RoomError,
        document::Refusal,
        members::{Arrival, Deed},
    },
};

const OWNER: u128 = 1;
const MEMBER: u128 = 2;
const OTHER: u128 = 3;
const REMOVED: u128 = 4;

/// Everything that can be asked of a room.
fn commands() -> Vec<RoomCommand> {
    let client = client(OTHER);
    vec![
        dab("new", 90.0, 60.0),
        patch(|patch| patch.prompt = Some("a boat".to_owned())),
        RoomCommand::Render(RenderRequest {
            rect: Some(Rect::new(0, 0, 64, 64)),
            steps: None,
        }),
        RoomCommand::Apply,
        RoomCommand::Place(Placement {
            image: "photo".to_owned(),
            mode: PlaceMode::Plain,
            prompt: None,
            ..Placement::default()
        }),
        RoomCommand::Place(Placement {
            image: "photo".to_owned(),
            layer: Some(LOWEST_LAYER),
            ..Placement::default()
        }),
        RoomCommand::CancelInversion,
        RoomCommand::Undo,
        RoomCommand::Redo,
        RoomCommand::Layer(LayerChange::Add(NewLayer::default())),
        RoomCommand::Revert { seq: 0 },
        RoomCommand::Presence(Presence {
            x: 1.0,
            y: 2.0,
            tool: None,
            view: Some([-4, 0, 100, 80]),
        }),
        RoomCommand::Chat("hello".to_owned()),
        RoomCommand::Role {
            client,
            role: Role::Viewer,
        },
        RoomCommand::Remove { client },
        RoomCommand::Admit {
            client: self::client(REMOVED),
        },
        RoomCommand::Lock { locked: true },
        RoomCommand::Lock { locked: false },
    ]
}

/// A member of that role in such a room, who painted as an editor before and can undo and redo. Its
/// role was given by an owner.
fn world_with(role: Role, locked: bool) -> World {
    let mut world = World::new();
    let photo = Pixels::new(SIZE.width, SIZE.height, [40, 90, 160]);
    world.core.images.insert("photo".to_owned(), photo).unwrap();
    world.join_as(client(OWNER), Role::Owner, None);
    for number in [MEMBER, OTHER, REMOVED] {
        world.join(client(number), None);
    }
    world.send(client(MEMBER), dab("one", 30.0, 30.0));
    world.send(client(MEMBER), dab("two", 60.0, 30.0));
    world.send(client(MEMBER), RoomCommand::Undo);
    let [member, removed] = [MEMBER, REMOVED].map(client);
    for command in [
        RoomCommand::Remove { client: removed },
        RoomCommand::Role {
            client: member,
            role,
        },
        RoomCommand::Lock { locked },
    ] {
        world.send(client(OWNER), command);
    }
    assert_eq!(world.errors(client(OWNER)), []);
    world
}

/// What holds for a command of a deed: the codes with which it is refused to viewers, editors and
/// owners, in a room that is not locked and in one that is.
fn table(deed: Deed) -> [[Option<ErrorCode>; 3]; 2] {
    let (no, locked) = (Some(ErrorCode::Forbidden), Some(ErrorCode::RoomLocked));
    match deed {
        Deed::Point => [[None, None, None], [None, None, None]],
        Deed::Chat => [[None, None, None], [locked, None, None]],
        Deed::Change => [[no, None, None], [no, locked, None]],
        Deed::Govern => [[no, no, None], [no, no, None]],
    }
}

#[test]
fn every_role_may_do_its_part_whether_the_room_is_locked_or_not() {
    for (is_locked, of_roles) in [(false, 0), (true, 1)] {
        for (place, role) in [Role::Viewer, Role::Editor, Role::Owner]
            .into_iter()
            .enumerate()
        {
            for command in commands() {
                let expected = table(Deed::of(&command))[of_roles][place];
                let case = format!("{role:?}, locked: {is_locked}, {command:?}");
                let (mut world, me) = (world_with(role, is_locked), client(MEMBER));
                let (seq, rules) = (world.core.document.seq(), world.rules.clone());
                let (people, said) = (world.core.members.infos(), world.core.chat.lines(world.now));
                world.send(me, command);
                let told = world.errors(me);
                assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{case}");
                if expected.is_some() {
                    assert_eq!(world.core.document.seq(), seq, "{case}");
                    assert_eq!(world.rules, rules, "{case}");
                    assert_eq!(world.core.members.infos(), people, "{case}");
                    assert_eq!(world.core.chat.lines(world.now), said, "{case}");
                    for number in [OWNER, OTHER] {
                        assert_eq!(world.errors(client(number)), [], "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_changes_the_picture_is_an_op_and_nothing_else_is() {
    for (command, works) in commands().into_iter().zip([
        true, true, false, true, true, true, false, true, true, true, true, false, false, false,
        false, false, false, false,
    ]) {
        let mut world = world_with(Role::Owner, false);
        let seq = world.core.document.seq();
        world.send(client(MEMBER), command.clone());
        let is_op = world.core.document.seq() > seq;
        assert_eq!(is_op, works, "{command:?} becomes an op");
    }
}

fn role_of(world: &World, number: u128) -> Role {
    world.core.members.info(&client(number)).unwrap().role
}

#[test]
fn a_role_is_told_to_all_and_outlives_a_reconnect() {
    let mut world = World::new();
    let (owner, member) = (client(OWNER), client(MEMBER));
    world.join_as(owner, Role::Owner, None);
    world.join_as(member, Role::Editor, None);
    let give = |role| RoomCommand::Role {
        client: client(MEMBER),
        role,
    };
    world.send(owner, give(Role::Viewer));
    for who in [owner, member] {
        let news = ServerMessage::Member(MemberNews::Role {
            client: member,
            role: Role::Viewer,
            by: owner,
        });
        assert!(world.eyes[&who].texts.contains(&news));
    }
    world.leave(member);
    let welcome = world.join_as(member, Role::Editor, None);
    assert_eq!(welcome.role, Role::Viewer, "whatever the invite says");
    let told = welcome.members.iter().find(|known| known.client == member);
    assert_eq!(told.unwrap().role, Role::Viewer);
    // Back to what the invite gives: nothing has to be remembered.
    world.send(owner, give(Role::Editor));
    assert_eq!(world.rules, Default::default());
    world.leave(member);
    assert_eq!(
        world.join_as(member, Role::Viewer, None).role,
        Role::Viewer,
        "another invite counts again"
    );
    // The same role again is no news.
    let heard = world.eyes[&owner].texts.len();
    world.send(owner, give(Role::Viewer));
    assert_eq!(world.eyes[&owner].texts.len(), heard);
}

#[test]
fn a_made_owner_decides_and_a_room_keeps_one() {
    let mut world = world_with(Role::Owner, false);
    let (first, second) = (client(OWNER), client(MEMBER));
    for oneself in [
        RoomCommand::Role {
            client: second,
            role: Role::Editor,
        },
        RoomCommand::Remove { client: second },
    ] {
        world.send(second, oneself);
    }
    assert_eq!(world.errors(second), [ErrorCode::InvalidValue; 2]);
    world.send(
        second,
        RoomCommand::Role {
            client: first,
            role: Role::Viewer,
        },
    );
    assert_eq!(role_of(&world, OWNER), Role::Viewer);
    world.send(first, RoomCommand::Lock { locked: true });
    assert_eq!(world.errors(first), [ErrorCode::Forbidden]);
}

#[test]
fn nobody_decides_about_the_operator_or_about_who_is_not_here() {
    let mut world = World::new();
    let (owner, operator) = (client(OWNER), client(OTHER));
    world.join_as(owner, Role::Owner, None);
    let arrival = Arrival {
        client: operator,
        name: None,
        role: Role::Owner,
        is_operator: true,
        last_seq: None,
    };
    world.core.join(arrival, world.now).unwrap();
    world.drain();
    let role = Role::Viewer;
    for client in [operator, client(9)] {
        world.send(owner, RoomCommand::Role { client, role });
        world.send(owner, RoomCommand::Remove { client });
    }
    world.send(owner, RoomCommand::Admit { client: operator });
    use ErrorCode::{Forbidden, UnknownMember};
    assert_eq!(
        world.errors(owner),
        [
            Forbidden,
            Forbidden,
            UnknownMember,
            UnknownMember,
            UnknownMember
        ]
    );
    assert_eq!(role_of(&world, OTHER), Role::Owner);
}

#[test]
fn who_was_removed_stays_out_until_an_owner_lets_it_in() {
    let mut world = World::new();
    let (owner, member) = (client(OWNER), client(MEMBER));
    world.join_as(owner, Role::Owner, None);
    world.join(member, None);
    world.send(member, chunk("a", true, &[[30.0, 30.0, 1.0]], false));
    world.send(owner, RoomCommand::Remove { client: member });
    assert!(!world.core.members.contains(&member));
    assert!(!world.eyes.contains_key(&member), "its connection ends");
    let left = ServerMessage::Member(MemberNews::Left {
        client: member,
        removed_by: Some(owner),
    });
    assert!(world.eyes[&owner].texts.contains(&left));
    let arrival = |is_operator| Arrival {
        client: member,
        name: Some("Bea".to_owned()),
        role: Role::Owner,
        is_operator,
        last_seq: None,
    };
    let refused = world.core.join(arrival(false), world.now);
    assert!(matches!(refused, Err(RoomError::Removed)));
    let welcome = world.join_as(client(OTHER), Role::Viewer, None);
    assert_eq!(welcome.removed.len(), 1);
    assert_eq!(welcome.removed[0].client, member);
    // What it painted is in the picture, and rendered.
    world.come_to_rest();
    assert!(world.core.is_resting());
    world.pull_all(owner);
    world.assert_sees_everything(owner);

    assert!(world.core.join(arrival(true), world.now).is_ok());
    world.leave(member);

    world.send(owner, RoomCommand::Admit { client: member });
    assert!(world.rules.removed().is_empty());
    assert!(world.core.join(arrival(false), world.now).is_ok());
}

#[test]
fn a_lock_ends_a_stroke_for_the_picture_and_lets_it_go_on_after() {
    let mut world = World::new();
    let (owner, member) = (client(OWNER), client(MEMBER));
    world.join_as(owner, Role::Owner, None);
    world.join(member, None);
    world.send(member, chunk("a", true, &[[30.0, 30.0, 1.0]], false));
    world.send(owner, RoomCommand::Lock { locked: true });
    world.send(member, chunk("a", false, &[[60.0, 30.0, 1.0]], false));
    assert_eq!(world.errors(member), [ErrorCode::RoomLocked]);
    world.come_to_rest();
    assert!(world.core.is_resting(), "nobody waits for the rest of it");
    assert!(world.join(client(OTHER), None).locked);
    world.send(client(OTHER), dab("b", 90.0, 90.0));
    assert_eq!(world.errors(client(OTHER)), [ErrorCode::RoomLocked]);
    world.send(owner, dab("c", 90.0, 60.0));
    world.send(owner, RoomCommand::Lock { locked: false });
    world.send(member, chunk("a", false, &[[60.0, 30.0, 1.0]], true));
    assert_eq!(world.errors(member), [ErrorCode::RoomLocked]);
    world.come_to_rest();
    world.pull_all(owner);
    world.assert_sees_everything(owner);
}

#[test]
fn everybody_hears_what_is_said_and_newcomers_too() {
    let mut world = World::new();
    let (ada, bea) = (client(1), client(2));
    let hue = world.join_as(ada, Role::Viewer, None).members[0].hue;
    world.join(bea, None);
    world.send(ada, RoomCommand::Chat("  a boat?  ".to_owned()));
    world.send(bea, RoomCommand::Chat(" \u{3000} ".to_owned()));
    assert_eq!(world.errors(bea), [ErrorCode::InvalidValue]);
    let line = ChatLine {
        number: 1,
        client: ada,
        name: "Guest".to_owned(),
        hue,
        text: "a boat?".to_owned(),
        age_ms: 0,
    };
    for who in [ada, bea] {
        let told = ServerMessage::Chat(line.clone());
        assert!(world.eyes[&who].texts.contains(&told));
    }
    world.pass(Duration::from_secs(3));
    let welcome = world.join(client(3), None);
    let age_ms = 3000;
    assert_eq!(welcome.chat, [ChatLine { age_ms, ..line }]);
    assert_eq!(welcome.seq, 0, "it is no op");
    world.send(ada, RoomCommand::Undo);
    assert_eq!(world.core.chat.lines(world.now).len(), 1);
}

#[test]
fn all_see_a_member_in_the_same_colour_whenever_it_comes() {
    let mut world = World::new();
    let hues: Vec<u16> = (1..=8)
        .map(|number| {
            let id = client(number << 112);
            world.join(id, None);
            let seen = world.core.members.info(&id).unwrap().hue;
            world.leave(id);
            world.join_as(id, Role::Viewer, None);
            assert_eq!(world.core.members.info(&id).unwrap().hue, seen);
            seen
        })
        .collect();
    assert!(hues.iter().all(|hue| *hue < 360));
    assert_eq!(hues, [1, 2, 3, 4, 5, 6, 7, 8], "by the id alone");
}

/// Something that an owner of a simulated room does about the others. Only `guest` is removed.
pub(super) fn govern(
    world: &mut World,
    dice: &mut Dice,
    owner: Uuid,
    others: &[Uuid],
    guest: Uuid,
) {
    let whom = others[dice.roll(others.len() as u64) as usize];
    let command = match dice.roll(6) {
        0 | 1 => RoomCommand::Lock {
            locked: dice.roll(3) == 0,
        },
        2 => RoomCommand::Remove { client: guest },
        _ => RoomCommand::Role {
            client: whom,
            role: [Role::Viewer, Role::Editor, Role::Editor, Role::Owner][dice.roll(4) as usize],
        },
    };
    world.send(owner, command);
}

/// Everybody may paint again.
pub(super) fn free_all(world: &mut World, owner: Uuid) {
    world.send(owner, RoomCommand::Lock { locked: false });
    let role = Role::Editor;
    for client in world.eyes.keys().copied().collect::<Vec<_>>() {
        if client != owner {
            world.send(owner, RoomCommand::Role { client, role });
        }
    }
}

/// Panics unless a member who was here from the beginning knows from what it was told who is here as
/// what, and how the room is.
pub(super) fn assert_knows_people(world: &World, who: Uuid) {
    let own = world.core.members.info(&who).unwrap().role;
    let (mut known, mut room) = (BTreeMap::from([(who, own)]), None);
    for text in &world.eyes[&who].texts {
        match text {
            ServerMessage::Member(MemberNews::Joined(info)) => {
                known.insert(info.client, info.role);
            }
            ServerMessage::Member(MemberNews::Left { client, .. }) => {
                known.remove(client);
            }
            ServerMessage::Member(MemberNews::Role { client, role, .. }) => {
                known.insert(*client, *role);
            }
            ServerMessage::Room(news) => room = Some(news.clone()),
            _ => {}
        }
    }
    let here = world.core.members.infos().into_iter();
    let here: BTreeMap<Uuid, Role> = here.map(|info| (info.client, info.role)).collect();
    assert_eq!(known, here);
    let rules = world.core.members.rules();
    assert_eq!(*rules, world.rules, "what is kept is what holds");
    if let Some(news) = room {
        assert_eq!(news.locked, rules.is_locked());
        assert_eq!(news.removed, rules.removed());
    }
}

#[test]
fn refusals_about_people_are_sentences() {
    for refusal in [
        Refusal::Locked,
        Refusal::SilentViewer,
        Refusal::NotOwner,
        Refusal::UnknownMember,
        Refusal::Oneself,
        Refusal::Operator,
        Refusal::NothingSaid,
    ] {
        let message = refusal.to_message(None).message;
        assert!(message.ends_with('.') && message.len() < 100, "{message}");
    }
}

#[test]
fn the_clock_of_the_chat_does_not_go_back() {
    let mut world = World::new();
    world.join(client(1), None);
    world.send(client(1), RoomCommand::Chat("now".to_owned()));
    let before: Instant = world.now - Duration::from_secs(1);
    assert_eq!(world.core.chat.lines(before)[0].age_ms, 0);
}
