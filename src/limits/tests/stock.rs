//! What is in hand, and who waits for more.

use std::{sync::mpsc, thread, time::Duration};

use tokio::sync::oneshot::{Receiver, error::TryRecvError};

use super::limit;
use crate::{
    domain::{
        limit::{Rate, Wait},
        policy::RateLimit,
        time::Moment,
    },
    limits::{
        Batch, Gone, Order,
        stock::{Grant, Hand, Stock, Told},
    },
};

fn at(millis: u64) -> Moment {
    Moment::from_start(Duration::from_millis(millis))
}

/// 10 are held for 100 ms, with a slack of 11.
fn hundred() -> Rate {
    Rate::from(&limit("a", 100))
}

/// A batch after which the counter's level is this.
fn batch(taken: u64, level: u64) -> Batch {
    Batch { taken, level: level * 1_000_000 }
}

#[track_caller]
fn granted(told: &mut Receiver<Told>) -> Grant {
    match told.try_recv().unwrap() {
        Told::Granted(grant) => grant,
        other => panic!("{other:?}"),
    }
}

/// Of which so much was taken ahead, ordered at 0.
fn holding(amount: u64) -> Stock {
    let mut stock = Stock::new(hundred());
    let (told, order) = stock.wait(hundred(), 1, at(0));
    drop(told);
    stock.answered(&order.unwrap(), Ok(batch(amount, 11 + amount)), at(0), at(1));
    stock
}

#[test]
fn who_waits_is_granted_its_own_and_the_rest_is_in_hand_until_it_lapses() {
    let mut stock = Stock::new(hundred());
    assert_eq!(stock.look(hundred(), 5, at(0)), Hand::TooLittle);
    let (mut told, order) = stock.wait(hundred(), 5, at(0));
    let order = order.unwrap();
    assert_eq!(order, Order { rate: hundred(), slack: 11, least: 5, most: 5 });
    assert_eq!(stock.answered(&order, Ok(batch(8, 19)), at(7), at(9)), None);
    granted(&mut told);
    for (now, expected) in [(9, Hand::Enough), (106, Hand::Enough), (107, Hand::TooLittle)] {
        assert_eq!(stock.look(hundred(), 3, at(now)), expected, "{now}");
    }
}

#[test]
fn a_late_answer_is_for_those_alone_who_were_there_before_it_was_asked_for() {
    let mut stock = Stock::new(hundred());
    let (mut early, order) = stock.wait(hundred(), 2, at(0));
    let (mut late, none) = stock.wait(hundred(), 2, at(6));
    assert_eq!(none, None);
    let next = stock.answered(&order.unwrap(), Ok(batch(4, 15)), at(5), at(105));
    granted(&mut early);
    assert_eq!(late.try_recv(), Err(TryRecvError::Empty));
    // What was over has lapsed: it is ordered anew.
    assert_eq!(next.unwrap().least, 2);
    stock.answered(&next.unwrap(), Ok(batch(2, 17)), at(105), at(106));
    granted(&mut late);
}

#[test]
fn who_came_later_may_use_what_can_still_be_held() {
    let mut stock = Stock::new(hundred());
    let (_early, order) = stock.wait(hundred(), 2, at(0));
    let (mut late, _) = stock.wait(hundred(), 2, at(6));
    assert_eq!(stock.answered(&order.unwrap(), Ok(batch(4, 15)), at(5), at(104)), None);
    granted(&mut late);
}

#[test]
fn nobody_who_waits_is_overtaken() {
    let mut stock = holding(3);
    assert_eq!(stock.look(hundred(), 1, at(1)), Hand::Enough);
    let (mut first, order) = stock.wait(hundred(), 5, at(1));
    assert_eq!(order.unwrap().least, 2);
    assert_eq!(stock.look(hundred(), 1, at(1)), Hand::TooLittle);
    let (mut second, _) = stock.wait(hundred(), 1, at(1));
    let next = stock.answered(&order.unwrap(), Ok(batch(2, 16)), at(1), at(2)).unwrap();
    granted(&mut first);
    assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
    stock.answered(&next, Ok(batch(1, 17)), at(2), at(3));
    granted(&mut second);
}

#[test]
fn who_wants_more_than_there_is_does_not_keep_others_from_what_there_is() {
    let mut stock = holding(3);
    let (mut first, order) = stock.wait(hundred(), 10, at(1));
    let (mut second, _) = stock.wait(hundred(), 2, at(1));
    let (mut third, _) = stock.wait(hundred(), 4, at(1));
    let next = stock.answered(&order.unwrap(), Ok(batch(0, 95)), at(2), at(2)).unwrap();
    // 7 are lacking, and 5 are left.
    assert_eq!(first.try_recv(), Ok(Told::Refused(Wait::For(Duration::from_millis(20)))));
    granted(&mut second);
    assert_eq!((next.least, third.try_recv()), (3, Err(TryRecvError::Empty)));
    assert_eq!(stock.answered(&next, Ok(batch(0, 100)), at(2), at(2)), None);
    assert_eq!(third.try_recv(), Ok(Told::Refused(Wait::For(Duration::from_millis(30)))));
}

#[test]
fn what_is_known_to_be_too_much_is_refused_without_asking() {
    let mut stock = Stock::new(hundred());
    assert_eq!(stock.look(hundred(), 101, at(0)), Hand::Refused(Wait::Forever));
    let (_told, order) = stock.wait(hundred(), 1, at(0));
    stock.answered(&order.unwrap(), Ok(batch(1, 98)), at(0), at(0));
    assert_eq!(stock.look(hundred(), 2, at(0)), Hand::TooLittle);
    let wait = Wait::For(Duration::from_millis(10));
    assert_eq!(stock.look(hundred(), 3, at(0)), Hand::Refused(wait));
    assert_eq!(stock.look(hundred(), 3, at(10)), Hand::TooLittle);
    assert_eq!(stock.remaining(at(10)), 3);
}

#[test]
fn after_a_refusal_nothing_is_ordered_for_a_moment() {
    let rate = Rate::from(&limit("a", 1_000_000));
    let mut stock = Stock::new(rate);
    let (mut told, order) = stock.wait(rate, 1, at(0));
    stock.answered(&order.unwrap(), Ok(batch(0, 1_000_000)), at(0), at(0));
    let wait = Wait::For(Duration::from_millis(1));
    assert_eq!(told.try_recv(), Ok(Told::Refused(wait)));
    assert_eq!(stock.look(rate, 1, at(0)), Hand::Refused(wait));
    assert!(!stock.is_idle(at(0)));
    assert_eq!(stock.look(rate, 1, at(1)), Hand::TooLittle);
    assert!(stock.is_idle(at(1)));
}

#[test]
fn who_cannot_have_what_is_left_is_told_with_the_first_who_cannot() {
    let mut stock = Stock::new(hundred());
    let waiting = [8, 7, 6, 4, 2].map(|cost| stock.wait(hundred(), cost, at(0)));
    let [(mut first, order), (mut second, _), (mut third, _), (mut fourth, _), _] = waiting;
    let next = stock.answered(&order.unwrap(), Ok(batch(0, 95)), at(0), at(0)).unwrap();
    for (told, millis) in [(&mut first, 30), (&mut second, 20), (&mut third, 10)] {
        let wait = Wait::For(Duration::from_millis(millis));
        assert_eq!(told.try_recv(), Ok(Told::Refused(wait)));
    }
    // 5 are left: it is asked for these.
    assert_eq!((next.least, fourth.try_recv()), (4, Err(TryRecvError::Empty)));
}

#[test]
fn who_lacks_more_than_is_left_once_others_have_what_was_in_hand_is_told_at_once() {
    let mut stock = holding(3);
    let waiting = [9, 3, 7].map(|cost| stock.wait(hundred(), cost, at(1)));
    let [(mut first, order), (mut second, _), (mut third, _)] = waiting;
    assert_eq!(stock.answered(&order.unwrap(), Ok(batch(0, 95)), at(1), at(1)), None);
    granted(&mut second);
    let wait = |millis| Ok(Told::Refused(Wait::For(Duration::from_millis(millis))));
    assert_eq!((first.try_recv(), third.try_recv()), (wait(10), wait(20)));
}

#[test]
fn however_many_wait_for_one_answer_another_costs_no_more() {
    let mut stock = Stock::new(hundred());
    let (_first, order) = stock.wait(hundred(), 1, at(0));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let waiting: Vec<_> = (0..100_000).map(|_| stock.wait(hundred(), 1, at(0))).collect();
        _ = tell.send((stock, waiting));
    });
    // If each looked at all others, it would be a minute.
    let (mut stock, waiting) = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(waiting.iter().all(|(_, order)| order.is_none()));
    let next = stock.answered(&order.unwrap(), Ok(batch(10, 21)), at(0), at(1));
    assert!(next.is_some());
}

#[test]
fn what_nobody_waits_for_any_more_is_in_hand() {
    let mut stock = Stock::new(hundred());
    let (gone, order) = stock.wait(hundred(), 5, at(0));
    let (mut told, _) = stock.wait(hundred(), 5, at(0));
    drop(gone);
    stock.answered(&order.unwrap(), Ok(batch(10, 21)), at(0), at(1));
    granted(&mut told);
    assert_eq!(stock.look(hundred(), 5, at(1)), Hand::Enough);
}

#[test]
fn what_was_granted_and_not_used_is_in_hand_until_its_own_end() {
    let mut stock = holding(3);
    let (mut told, order) = stock.wait(hundred(), 5, at(50));
    stock.answered(&order.unwrap(), Ok(batch(2, 16)), at(50), at(51));
    stock.put_back(granted(&mut told), at(60));
    // Some of it was ordered at 0.
    assert_eq!(stock.look(hundred(), 5, at(99)), Hand::Enough);
    assert_eq!(stock.look(hundred(), 1, at(100)), Hand::TooLittle);
    let (mut told, order) = stock.wait(hundred(), 5, at(100));
    stock.answered(&order.unwrap(), Ok(batch(5, 16)), at(100), at(101));
    stock.put_back(granted(&mut told), at(200));
    assert_eq!(stock.look(hundred(), 1, at(200)), Hand::TooLittle);
}

#[test]
fn more_than_there_ever_is_beside_the_slack_is_for_one_call_alone_and_not_held() {
    let mut stock = holding(3);
    let (_first, order) = stock.wait(hundred(), 92, at(1));
    assert_eq!(order, Some(Order { rate: hundred(), slack: 11, least: 89, most: 89 }));
    let mut stock = holding(3);
    let (mut first, order) = stock.wait(hundred(), 93, at(1));
    let (_second, _) = stock.wait(hundred(), 1, at(1));
    assert_eq!(order, Some(Order { rate: hundred(), slack: 0, least: 90, most: 90 }));
    stock.answered(&order.unwrap(), Ok(batch(90, 90)), at(1), at(1));
    stock.put_back(granted(&mut first), at(1));
    assert_eq!(stock.remaining(at(1)), 10);
}

#[test]
fn who_waits_is_told_that_the_counter_has_gone() {
    let mut stock = Stock::new(hundred());
    let (mut told, order) = stock.wait(hundred(), 5, at(0));
    assert_eq!(stock.answered(&order.unwrap(), Err(Gone), at(0), at(1)), None);
    assert_eq!(told.try_recv(), Ok(Told::Gone));
    let (_told, order) = stock.wait(hundred(), 5, at(1));
    assert!(order.is_some());
}

#[test]
fn what_was_taken_by_an_old_limit_is_no_use_under_the_new_one() {
    let less = Rate::from(&RateLimit { burst: 50, ..limit("a", 100) });
    let mut stock = holding(5);
    let (mut old, order) = stock.wait(hundred(), 8, at(1));
    assert_eq!(stock.look(less, 1, at(1)), Hand::TooLittle);
    let (mut new, none) = stock.wait(less, 1, at(1));
    assert_eq!(none, None);
    // What was in hand has gone: for the old one, too, it is ordered anew.
    let next = stock.answered(&order.unwrap(), Ok(batch(3, 19)), at(1), at(2)).unwrap();
    assert_eq!((next.rate, next.least), (hundred(), 8));
    let next = stock.answered(&next, Ok(batch(9, 28)), at(2), at(3)).unwrap();
    granted(&mut old);
    assert_eq!((next.rate, next.least, next.most), (less, 1, 1));
    assert_eq!(new.try_recv(), Err(TryRecvError::Empty));
    stock.answered(&next, Ok(batch(1, 29)), at(3), at(4));
    stock.put_back(granted(&mut new), at(4));
    assert_eq!(stock.look(less, 1, at(4)), Hand::Enough);
    assert_eq!(stock.look(hundred(), 1, at(4)), Hand::TooLittle);
}

#[test]
fn more_is_ordered_before_all_is_gone() {
    let mut stock = holding(8);
    stock.use_up(4);
    assert_eq!(stock.restock(at(10)), None);
    stock.use_up(3);
    let order = Order { rate: hundred(), slack: 11, least: 1, most: 6 };
    assert_eq!(stock.restock(at(10)), Some(order));
    assert_eq!(stock.restock(at(10)), None);
    stock.answered(&order, Ok(batch(6, 25)), at(10), at(11));
    assert_eq!(stock.look(hundred(), 7, at(11)), Hand::Enough);
}
