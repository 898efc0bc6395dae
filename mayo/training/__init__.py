"""Floor 5: the training machine: trainer, step, schedule, optimizer, distillation, fitting of gates, stages of densities."""
