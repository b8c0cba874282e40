// Sequelize asks its connection manager: that lends the connection.
import { library } from './libraries.ts';
import { type Orm, TABLE, type Work } from './orm.ts';

interface Model {
  create(row: object, options: object): Promise<unknown>;
}

interface Library {
  readonly Sequelize: new (
    options: object,
  ) => {
    readonly connectionManager: { getConnection(): Promise<object>; releaseConnection(): Promise<void> };
    define(name: string, columns: object, options: object): Model;
    transaction(options: object, work: (own: object) => Promise<void>): Promise<void>;
  };
  readonly DataTypes: { STRING(length: number): object };
}

async function run(options: object, connection: object, work: (work: Work) => Promise<void>): Promise<void> {
  const { Sequelize, DataTypes } = library<Library>('sequelize');
  const sequelize = new Sequelize({ ...options, logging: false });
  sequelize.connectionManager.getConnection = async () => connection;
  sequelize.connectionManager.releaseConnection = async () => undefined;
  const columns = { id: { type: DataTypes.STRING(64), primaryKey: true } };
  const model = sequelize.define(TABLE, columns, { tableName: TABLE, timestamps: false });
  const workOf = (transaction: object | undefined): Work => ({
    save: (id) => model.create({ id }, { transaction }),
    transaction: (inner) => sequelize.transaction({ transaction }, (own) => inner(workOf(own))),
  });
  await work(workOf(undefined));
}

export const sequelize: Orm = {
  name: 'Sequelize',
  onPostgres: (client, work) => run({ dialect: 'postgres', dialectModule: library<object>('pg') }, client, work),
  onMysql: (connection, work) => run({ dialect: 'mysql', dialectModule: library<object>('mysql2') }, connection, work),
};
