use super::super::agreement::MOST_USES;
use super::*;

const CANVAS: CanvasSize = CanvasSize {
    width: 512,
    height: 512,
};

/// Nobody was removed.
fn nobody(_: &Uuid) -> bool {
    false
}

fn role(access: &Access, room: &str, token: Option<&str>) -> Result<Role, AccessError> {
    let called = access.grant(room, token, Bearer::Calling(None), &nobody);
    called.map(|(grant, _)| grant.role)
}

#[test]
fn each_invite_gives_its_role_in_its_room_alone() {
    let access = Access::new(true);
    let invites = access.agree("one", CANVAS, |_| true).unwrap();
    access.agree("two", CANVAS, |_| true).unwrap();
    assert_eq!(role(&access, "one", Some(&invites.owner)), Ok(Role::Owner));
    assert_eq!(
        role(&access, "one", Some(&invites.editor)),
        Ok(Role::Editor)
    );
    assert_eq!(
        role(&access, "one", Some(&invites.viewer)),
        Ok(Role::Viewer)
    );
    let refused = Err(AccessError::InvalidToken);
    for (room, token) in [
        ("two", Some(invites.owner.as_str())),
        ("one", None),
        ("one", Some("")),
        ("one", Some("guess")),
        ("three", Some(invites.owner.as_str())),
        ("three", None),
    ] {
        assert_eq!(role(&access, room, token), refused, "{room} {token:?}");
    }
    let other = Access::new(true);
    assert_eq!(role(&other, "one", Some(&invites.owner)), refused);
}

#[test]
fn without_auth_a_token_may_be_left_out_but_not_be_wrong() {
    let access = Access::new(false);
    assert_eq!(role(&access, "studio", None), Ok(Role::Owner));
    let guess = role(&access, "studio", Some("guess"));
    assert_eq!(guess, Err(AccessError::InvalidToken));
    let viewer = access.agree("studio", CANVAS, |_| true).unwrap().viewer;
    assert_eq!(role(&access, "studio", Some(&viewer)), Ok(Role::Viewer));
}

#[test]
fn the_operator_is_nobody_whom_a_room_invited() {
    let access = Access::new(true);
    let owner = access.agree("studio", CANVAS, |_| true).unwrap().owner;
    for token in [None, Some(""), Some("guess"), Some(owner.as_str())] {
        assert_eq!(access.operator(token), Err(AccessError::NotOperator));
    }
    let operator = access.operator_token();
    assert_eq!(access.operator(Some(&operator)), Ok(()));
    let (grant, _) = access
        .grant("any", Some(&operator), Bearer::Calling(None), &nobody)
        .unwrap();
    assert!(grant.is_operator && grant.role == Role::Owner);
    assert_eq!(Access::new(false).operator(None), Ok(()));
}

#[test]
fn an_invite_that_was_revoked_opens_nothing_and_the_others_go_on() {
    let access = Access::new(true);
    access.agree("studio", CANVAS, |_| true).unwrap();
    let mut told = access.revocations();
    let mint = || access.mint("studio", CANVAS, Role::Editor, None, None);
    let ((first, one), (_, two)) = (mint().unwrap(), mint().unwrap());
    assert!(access.revoke("studio", first.id));
    assert!(told.has_changed().unwrap());
    told.mark_unchanged();
    assert!(access.is_revoked("studio", first.id));
    assert!(!access.revoke("studio", Uuid::new_v4()));
    assert!(!access.revoke("other", first.id));
    assert!(!told.has_changed().unwrap());
    let refused = Err(AccessError::Revoked);
    assert_eq!(role(&access, "studio", Some(&one)), refused);
    assert_eq!(role(&access, "studio", Some(&two)), Ok(Role::Editor));
}

#[test]
fn uses_are_clients_and_not_visits() {
    let access = Access::new(true);
    let (_, token) = access
        .mint("studio", CANVAS, Role::Editor, None, Some(2))
        .unwrap();
    let join = |member: u128| {
        let bearer = Bearer::Joining(Uuid::from_u128(member));
        access
            .grant("studio", Some(&token), bearer, &nobody)
            .map(|(_, counted)| counted)
    };
    let call = |member: Option<u128>| {
        let bearer = Bearer::Calling(member.map(Uuid::from_u128));
        access
            .grant("studio", Some(&token), bearer, &nobody)
            .map(drop)
    };
    assert_eq!(call(None), Err(AccessError::NotJoined));
    assert_eq!(join(1), Ok(true));
    assert_eq!(join(1), Ok(false));
    assert_eq!(join(2), Ok(true));
    assert_eq!(join(3), Err(AccessError::UsedUp));
    assert_eq!(join(2), Ok(false));
    assert_eq!(call(Some(2)), Ok(()));
    assert_eq!(call(Some(3)), Err(AccessError::NotJoined));
}

#[test]
fn an_invite_by_which_somebody_came_who_was_removed_lets_in_nobody_new() {
    let access = Access::new(true);
    let mint = |uses| access.mint("studio", CANVAS, Role::Editor, None, uses);
    let (_, token) = mint(None).unwrap();
    let (_, counted) = mint(Some(3)).unwrap();
    let (_, other) = mint(None).unwrap();
    let [removed, friend, stranger] = [1, 2, 3].map(Uuid::from_u128);
    let is_removed = |member: &Uuid| *member == removed;
    for token in [&token, &counted] {
        for member in [removed, friend] {
            let bearer = Bearer::Joining(member);
            let joined = access.grant("studio", Some(token), bearer, &nobody);
            assert!(joined.unwrap().1, "new to it");
        }
    }
    let grant = |token, bearer| {
        let granted = access.grant("studio", Some(token), bearer, &is_removed);
        granted.map(|(grant, is_new)| (grant.role, is_new))
    };
    let in_again = Ok((Role::Editor, false));
    // Those who came by it go on, and the room refuses the one who was removed.
    for member in [friend, removed] {
        assert_eq!(grant(&token, Bearer::Joining(member)), in_again);
        assert_eq!(grant(&token, Bearer::Calling(Some(member))), in_again);
    }
    let closed = Err(AccessError::Closed);
    assert_eq!(grant(&token, Bearer::Joining(stranger)), closed);
    assert_eq!(grant(&counted, Bearer::Joining(stranger)), closed);
    let anonymous = Err(AccessError::Anonymous);
    assert_eq!(grant(&token, Bearer::Calling(None)), anonymous);
    assert_eq!(grant(&token, Bearer::Calling(Some(stranger))), anonymous);
    let not_joined = Err(AccessError::NotJoined);
    assert_eq!(grant(&counted, Bearer::Calling(None)), not_joined);
    // Other invites are as they were, also after whoever was removed tried them.
    assert_eq!(grant(&other, Bearer::Joining(removed)), in_again);
    assert_eq!(grant(&other, Bearer::Calling(None)), in_again);
    assert_eq!(
        grant(&other, Bearer::Joining(stranger)),
        Ok((Role::Editor, true))
    );
    // And so is this one, once nobody is kept out any more.
    assert_eq!(role(&access, "studio", Some(&token)), Ok(Role::Editor));
}

#[test]
fn an_invite_without_a_number_of_uses_remembers_so_many_and_lets_in_more() {
    let access = Access::new(true);
    let (_, token) = access
        .mint("studio", CANVAS, Role::Viewer, None, None)
        .unwrap();
    let join = |member: u32| {
        let bearer = Bearer::Joining(Uuid::from_u128(member.into()));
        access
            .grant("studio", Some(&token), bearer, &nobody)
            .unwrap()
            .1
    };
    assert!((0..MOST_USES).all(join));
    assert!(!join(MOST_USES) && !join(MOST_USES + 1));
}

#[test]
fn an_invite_whose_time_is_over_says_so() {
    let access = Access::new(true);
    let mint = |end| access.mint("studio", CANVAS, Role::Viewer, Some(end), None);
    let (_, over) = mint(Duration::ZERO).unwrap();
    let expired = Err(AccessError::Expired);
    assert_eq!(role(&access, "studio", Some(&over)), expired);
    let (_, lasting) = mint(Duration::from_secs(600)).unwrap();
    assert_eq!(role(&access, "studio", Some(&lasting)), Ok(Role::Viewer));
}

#[test]
fn invites_of_living_rooms_outlast_a_flood_of_others() {
    let access = Access::new(true);
    let owner = access.agree("studio", CANVAS, |_| true).unwrap().owner;
    let alive = |room: &str| room == "studio";
    let (revoked, token) = access
        .mint("strict", CANVAS, Role::Editor, None, None)
        .unwrap();
    access.revoke("strict", revoked.id);
    for room in 0..2 * AGREEMENTS_MOST {
        access
            .agree(&format!("room-{room}"), CANVAS, alive)
            .unwrap();
    }
    assert!(access.book().len() <= AGREEMENTS_MOST);
    assert_eq!(role(&access, "studio", Some(&owner)), Ok(Role::Owner));
    assert_eq!(access.canvas("studio"), Some(CANVAS));
    let refused = Err(AccessError::Revoked);
    assert_eq!(role(&access, "strict", Some(&token)), refused);
}

#[test]
fn a_room_has_so_many_invites_and_no_more() {
    let access = Access::new(true);
    let mint = |end| access.mint("studio", CANVAS, Role::Viewer, end, None);
    for _ in 0..INVITES_OF_A_ROOM_MOST {
        mint(None).unwrap();
    }
    assert_eq!(mint(None), Err(AccessError::TooManyInvites));
    assert_eq!(access.invites("studio").len(), INVITES_OF_A_ROOM_MOST);
}

#[test]
fn a_data_folder_keeps_links_revocations_and_uses() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, operator, owner) = {
        let access = Access::in_folder(true, folder.path()).unwrap();
        let owner = access.agree("studio", CANVAS, |_| true).unwrap().owner;
        let mint = |uses| access.mint("studio", CANVAS, Role::Editor, None, uses);
        let (revoked, one) = mint(None).unwrap();
        let (_, two) = mint(Some(1)).unwrap();
        access.revoke("studio", revoked.id);
        let first = Bearer::Joining(Uuid::from_u128(1));
        access.grant("studio", Some(&two), first, &nobody).unwrap();
        access.save().unwrap();
        (one, two, access.operator_token(), owner)
    };
    let access = Access::in_folder(true, folder.path()).unwrap();
    assert_eq!(access.operator(Some(&operator)), Ok(()));
    assert_eq!(access.canvas("studio"), Some(CANVAS));
    assert_eq!(role(&access, "studio", Some(&owner)), Ok(Role::Owner));
    assert_eq!(
        role(&access, "studio", Some(&one)),
        Err(AccessError::Revoked)
    );
    let second = Bearer::Joining(Uuid::from_u128(2));
    assert_eq!(
        access
            .grant("studio", Some(&two), second, &nobody)
            .map(drop),
        Err(AccessError::UsedUp)
    );

    std::fs::write(folder.path().join(BOOK_FILE), "{").unwrap();
    let damaged = Access::in_folder(true, folder.path()).unwrap_err();
    assert!(damaged.to_string().contains("damaged"), "{damaged}");
    std::fs::remove_file(folder.path().join(BOOK_FILE)).unwrap();
    std::fs::write(folder.path().join(KEY_FILE), "short").unwrap();
    let damaged = Access::in_folder(true, folder.path()).unwrap_err();
    assert!(damaged.to_string().contains("damaged"), "{damaged}");
}
