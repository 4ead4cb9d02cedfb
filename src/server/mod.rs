//! axum routes, the websocket connection, limits, metrics, shutdown.
