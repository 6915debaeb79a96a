"""Money: intents, settling, webhooks, refunds, reconciling."""
