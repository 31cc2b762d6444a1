//! A JSON value with one thing in it changed.

use serde_json::{Value, json};

/// With another value at a place; `-` as the last step adds to a list.
pub fn with(whole: &Value, place: &str, value: Value) -> Value {
    let mut whole = whole.clone();
    let (parent, member) = place.rsplit_once('/').expect("a place");
    match whole.pointer_mut(parent).expect("a place in the value") {
        Value::Array(items) if member == "-" => items.push(value),
        Value::Array(items) => items[member.parse::<usize>().expect("a number")] = value,
        parent => parent[member] = value,
    }
    whole
}

/// Without a member of the object at a place.
pub fn without(whole: &Value, place: &str, member: &str) -> Value {
    let mut whole = whole.clone();
    whole.pointer_mut(place).and_then(Value::as_object_mut).expect("an object").remove(member);
    whole
}

/// With only these items of the list at a place, in this order.
pub fn reordered(whole: &Value, place: &str, order: &[usize]) -> Value {
    let items: Vec<Value> = order.iter().map(|at| whole[place.trim_start_matches('/')][at].clone()).collect();
    with(whole, place, json!(items))
}
